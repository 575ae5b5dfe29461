-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "BookingStatus" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED');

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
    "holder" TEXT,
    "delivered" INTEGER NOT NULL DEFAULT 0,

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
    "stream" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "sessionId" TEXT,
    "data" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL DEFAULT 0,
    "final" BOOLEAN NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpEvent_pkey" PRIMARY KEY ("stream","seq")
);

-- CreateTable
CREATE TABLE "McpContinuation" (
    "id" TEXT NOT NULL,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "answers" JSONB NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpContinuation_pkey" PRIMARY KEY ("id")
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
CREATE INDEX "McpSession_principal_lastSeenAt_idx" ON "McpSession"("principal", "lastSeenAt");

-- CreateIndex
CREATE INDEX "McpSession_expiresAt_idx" ON "McpSession"("expiresAt");

-- CreateIndex
CREATE INDEX "McpSubscription_uriHash_sessionId_idx" ON "McpSubscription"("uriHash", "sessionId");

-- CreateIndex
CREATE INDEX "McpEvent_sessionId_idx" ON "McpEvent"("sessionId");

-- CreateIndex
CREATE INDEX "McpEvent_expiresAt_idx" ON "McpEvent"("expiresAt");

-- CreateIndex
CREATE INDEX "McpContinuation_expiresAt_idx" ON "McpContinuation"("expiresAt");

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
ALTER TABLE "McpSubscription" ADD CONSTRAINT "McpSubscription_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "McpEvent" ADD CONSTRAINT "McpEvent_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "_ClientToTag" ADD CONSTRAINT "_ClientToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Client"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "_ClientToTag" ADD CONSTRAINT "_ClientToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag"("id") ON DELETE CASCADE ON UPDATE CASCADE;
