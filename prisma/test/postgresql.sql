-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "BookingStatus" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "Mood" AS ENUM ('CALM', 'BUSY');

-- CreateTable
CREATE TABLE "Client" (
    "id" SERIAL NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "phone" TEXT,
    "joinedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "passwordHash" TEXT NOT NULL,
    "notes" TEXT,
    "referredById" INTEGER,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Client_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Booking" (
    "id" SERIAL NOT NULL,
    "clientId" INTEGER NOT NULL,
    "roomId" TEXT,
    "startsAt" TIMESTAMP(3) NOT NULL,
    "status" "BookingStatus" NOT NULL DEFAULT 'PENDING',
    "price" DECIMAL(65,30) NOT NULL,
    "meta" JSONB,
    "internalNote" TEXT,

    CONSTRAINT "Booking_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Room" (
    "id" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "capacity" INTEGER NOT NULL,
    "active" BOOLEAN NOT NULL DEFAULT true,

    CONSTRAINT "Room_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Tag" (
    "id" SERIAL NOT NULL,
    "label" TEXT NOT NULL,

    CONSTRAINT "Tag_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuditLog" (
    "id" BIGINT NOT NULL,
    "payload" BYTEA NOT NULL,
    "ratio" DOUBLE PRECISION NOT NULL,
    "actor" TEXT,

    CONSTRAINT "AuditLog_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Membership" (
    "clientId" INTEGER NOT NULL,
    "roomId" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "expiresAt" TIMESTAMP(3),

    CONSTRAINT "Membership_pkey" PRIMARY KEY ("clientId","roomId")
);

-- CreateTable
CREATE TABLE "Member" (
    "id" INTEGER NOT NULL,
    "nick" TEXT NOT NULL,
    "label" TEXT,
    "score" INTEGER,
    "bound" INTEGER,
    "points" BIGINT,
    "ratio" DOUBLE PRECISION,
    "amount" DECIMAL(65,30),
    "active" BOOLEAN,
    "seenAt" TIMESTAMP(3),
    "photo" BYTEA,
    "extra" JSONB,
    "facts" JSONB NOT NULL,
    "mood" "Mood",
    "leadId" INTEGER,

    CONSTRAINT "Member_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Doc" (
    "id" INTEGER NOT NULL,
    "title" TEXT NOT NULL,
    "rank" INTEGER,
    "authorId" INTEGER,
    "editorId" INTEGER NOT NULL,

    CONSTRAINT "Doc_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Badge" (
    "id" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "level" INTEGER,
    "memberId" INTEGER,

    CONSTRAINT "Badge_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Seat" (
    "row" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "owner" TEXT NOT NULL,

    CONSTRAINT "Seat_pkey" PRIMARY KEY ("row","number")
);

-- CreateTable
CREATE TABLE "Ticket" (
    "id" INTEGER NOT NULL,
    "row" INTEGER,
    "number" INTEGER,
    "note" TEXT,

    CONSTRAINT "Ticket_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpSession" (
    "id" TEXT NOT NULL,
    "transport" TEXT NOT NULL,
    "revision" TEXT NOT NULL,
    "principal" TEXT,
    "clientInfo" JSONB NOT NULL,
    "capabilities" JSONB NOT NULL,
    "logLevel" TEXT,
    "initialized" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "lastSeenAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "connection" TEXT,
    "position" TEXT,

    CONSTRAINT "McpSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpSubscription" (
    "sessionId" TEXT NOT NULL,
    "uriHash" TEXT NOT NULL,
    "uri" TEXT NOT NULL,

    CONSTRAINT "McpSubscription_pkey" PRIMARY KEY ("sessionId","uriHash")
);

-- CreateTable
CREATE TABLE "McpEvent" (
    "id" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "stream" TEXT NOT NULL,
    "sessionId" TEXT,
    "data" TEXT,
    "largeData" TEXT,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpEvent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpNode" (
    "id" TEXT NOT NULL,
    "beat" INTEGER NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpNode_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpContinuation" (
    "id" TEXT NOT NULL,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "answers" JSONB NOT NULL,
    "takenBy" TEXT,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpContinuation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpIdempotencyKey" (
    "id" TEXT NOT NULL,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "result" TEXT,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpIdempotencyKey_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpAuditEntry" (
    "id" TEXT NOT NULL,
    "startedAt" TIMESTAMP(3) NOT NULL,
    "endpoint" TEXT NOT NULL,
    "principal" TEXT,
    "sessionId" TEXT,
    "client" TEXT,
    "revision" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "arguments" JSONB NOT NULL,
    "rows" INTEGER,
    "outcome" TEXT NOT NULL,
    "error" TEXT,
    "durationMs" INTEGER,
    "expiresAt" TIMESTAMP(3),

    CONSTRAINT "McpAuditEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "McpTask" (
    "id" TEXT NOT NULL,
    "principal" TEXT,
    "sessionId" TEXT,
    "tool" TEXT NOT NULL,
    "node" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "statusMessage" TEXT,
    "isError" BOOLEAN NOT NULL DEFAULT false,
    "questions" TEXT NOT NULL,
    "result" TEXT,
    "version" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "lastUpdatedAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpTask_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Listing" (
    "id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "labels" TEXT[],
    "sizes" INTEGER[],
    "moods" "Mood"[],

    CONSTRAINT "Listing_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Entry" (
    "id" INTEGER NOT NULL,
    "listingId" INTEGER NOT NULL,

    CONSTRAINT "Entry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Native" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "other" UUID,
    "code" VARCHAR(4),
    "fixed" CHAR(2),
    "address" INET,
    "bits" BIT(3),
    "flags" VARBIT(3),
    "markup" XML,
    "small" SMALLINT,
    "oid" OID,
    "real" REAL,
    "exact" DECIMAL(5,2),
    "cash" MONEY,
    "day" DATE,
    "time" TIME(3),
    "zoned" TIMESTAMPTZ(3),
    "document" JSON,
    "ids" UUID[],

    CONSTRAINT "Native_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Place" (
    "id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "kind" "Mood" NOT NULL DEFAULT 'CALM',
    "spot" point NOT NULL,
    "area" box,

    CONSTRAINT "Place_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "_ClientToTag" (
    "A" INTEGER NOT NULL,
    "B" INTEGER NOT NULL,

    CONSTRAINT "_ClientToTag_AB_pkey" PRIMARY KEY ("A","B")
);

-- CreateIndex
CREATE UNIQUE INDEX "Client_email_key" ON "Client"("email");

-- CreateIndex
CREATE INDEX "Booking_clientId_startsAt_idx" ON "Booking"("clientId", "startsAt");

-- CreateIndex
CREATE UNIQUE INDEX "Room_code_key" ON "Room"("code");

-- CreateIndex
CREATE UNIQUE INDEX "Tag_label_key" ON "Tag"("label");

-- CreateIndex
CREATE UNIQUE INDEX "Membership_roomId_slot_key" ON "Membership"("roomId", "slot");

-- CreateIndex
CREATE UNIQUE INDEX "Membership_level_slot_key" ON "Membership"("level", "slot");

-- CreateIndex
CREATE UNIQUE INDEX "Badge_memberId_key" ON "Badge"("memberId");

-- CreateIndex
CREATE INDEX "McpSession_principal_lastSeenAt_idx" ON "McpSession"("principal", "lastSeenAt");

-- CreateIndex
CREATE INDEX "McpSession_expiresAt_idx" ON "McpSession"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "McpEvent_key_key" ON "McpEvent"("key");

-- CreateIndex
CREATE INDEX "McpEvent_stream_id_idx" ON "McpEvent"("stream", "id");

-- CreateIndex
CREATE INDEX "McpEvent_expiresAt_idx" ON "McpEvent"("expiresAt");

-- CreateIndex
CREATE INDEX "McpNode_expiresAt_idx" ON "McpNode"("expiresAt");

-- CreateIndex
CREATE INDEX "McpContinuation_principal_expiresAt_idx" ON "McpContinuation"("principal", "expiresAt");

-- CreateIndex
CREATE INDEX "McpContinuation_expiresAt_idx" ON "McpContinuation"("expiresAt");

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_principal_expiresAt_idx" ON "McpIdempotencyKey"("principal", "expiresAt");

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_expiresAt_idx" ON "McpIdempotencyKey"("expiresAt");

-- CreateIndex
CREATE INDEX "McpAuditEntry_principal_startedAt_idx" ON "McpAuditEntry"("principal", "startedAt");

-- CreateIndex
CREATE INDEX "McpAuditEntry_startedAt_idx" ON "McpAuditEntry"("startedAt");

-- CreateIndex
CREATE INDEX "McpAuditEntry_expiresAt_idx" ON "McpAuditEntry"("expiresAt");

-- CreateIndex
CREATE INDEX "McpTask_principal_createdAt_idx" ON "McpTask"("principal", "createdAt");

-- CreateIndex
CREATE INDEX "McpTask_node_idx" ON "McpTask"("node");

-- CreateIndex
CREATE INDEX "McpTask_expiresAt_idx" ON "McpTask"("expiresAt");

-- CreateIndex
CREATE INDEX "_ClientToTag_B_index" ON "_ClientToTag"("B");

-- AddForeignKey
ALTER TABLE "Client" ADD CONSTRAINT "Client_referredById_fkey" FOREIGN KEY ("referredById") REFERENCES "Client"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "Booking" ADD CONSTRAINT "Booking_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Booking" ADD CONSTRAINT "Booking_roomId_fkey" FOREIGN KEY ("roomId") REFERENCES "Room"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Membership" ADD CONSTRAINT "Membership_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Membership" ADD CONSTRAINT "Membership_roomId_fkey" FOREIGN KEY ("roomId") REFERENCES "Room"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_leadId_fkey" FOREIGN KEY ("leadId") REFERENCES "Member"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "Doc" ADD CONSTRAINT "Doc_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Member"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Doc" ADD CONSTRAINT "Doc_editorId_fkey" FOREIGN KEY ("editorId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Badge" ADD CONSTRAINT "Badge_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Ticket" ADD CONSTRAINT "Ticket_row_number_fkey" FOREIGN KEY ("row", "number") REFERENCES "Seat"("row", "number") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "McpSubscription" ADD CONSTRAINT "McpSubscription_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Entry" ADD CONSTRAINT "Entry_listingId_fkey" FOREIGN KEY ("listingId") REFERENCES "Listing"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "_ClientToTag" ADD CONSTRAINT "_ClientToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "_ClientToTag" ADD CONSTRAINT "_ClientToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- CreateView
CREATE VIEW "Author" AS
SELECT "id", "nick", "label", (SELECT COUNT(*)::INTEGER FROM "Doc" WHERE "Doc"."authorId" = "Member"."id") AS "docs", "mood" FROM "Member";
