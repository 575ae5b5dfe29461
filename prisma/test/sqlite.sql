-- CreateTable
CREATE TABLE "Client" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "phone" TEXT,
    "joinedAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "passwordHash" TEXT NOT NULL,
    "notes" TEXT,
    "referredById" INTEGER,
    "updatedAt" DATETIME NOT NULL,
    CONSTRAINT "Client_referredById_fkey" FOREIGN KEY ("referredById") REFERENCES "Client" ("id") ON DELETE SET NULL ON UPDATE NO ACTION
);

-- CreateTable
CREATE TABLE "Booking" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "clientId" INTEGER NOT NULL,
    "roomId" TEXT,
    "startsAt" DATETIME NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'PENDING',
    "price" DECIMAL NOT NULL,
    "meta" JSONB,
    "internalNote" TEXT,
    CONSTRAINT "Booking_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Booking_roomId_fkey" FOREIGN KEY ("roomId") REFERENCES "Room" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Room" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "code" TEXT NOT NULL,
    "capacity" INTEGER NOT NULL,
    "active" BOOLEAN NOT NULL DEFAULT true
);

-- CreateTable
CREATE TABLE "Tag" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "label" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "AuditLog" (
    "id" BIGINT NOT NULL PRIMARY KEY,
    "payload" BLOB NOT NULL,
    "ratio" REAL NOT NULL,
    "actor" TEXT
);

-- CreateTable
CREATE TABLE "Membership" (
    "clientId" INTEGER NOT NULL,
    "roomId" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "expiresAt" DATETIME,

    PRIMARY KEY ("clientId", "roomId"),
    CONSTRAINT "Membership_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Membership_roomId_fkey" FOREIGN KEY ("roomId") REFERENCES "Room" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Member" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nick" TEXT NOT NULL,
    "label" TEXT,
    "score" INTEGER,
    "bound" INTEGER,
    "points" BIGINT,
    "ratio" REAL,
    "amount" DECIMAL,
    "active" BOOLEAN,
    "seenAt" DATETIME,
    "photo" BLOB,
    "extra" JSONB,
    "facts" JSONB NOT NULL,
    "mood" TEXT,
    "leadId" INTEGER,
    CONSTRAINT "Member_leadId_fkey" FOREIGN KEY ("leadId") REFERENCES "Member" ("id") ON DELETE NO ACTION ON UPDATE NO ACTION
);

-- CreateTable
CREATE TABLE "Doc" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "title" TEXT NOT NULL,
    "rank" INTEGER,
    "authorId" INTEGER,
    "editorId" INTEGER NOT NULL,
    CONSTRAINT "Doc_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Member" ("id") ON DELETE SET NULL ON UPDATE CASCADE,
    CONSTRAINT "Doc_editorId_fkey" FOREIGN KEY ("editorId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Badge" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "text" TEXT NOT NULL,
    "level" INTEGER,
    "memberId" INTEGER,
    CONSTRAINT "Badge_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Seat" (
    "row" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "owner" TEXT NOT NULL,

    PRIMARY KEY ("row", "number")
);

-- CreateTable
CREATE TABLE "Ticket" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "row" INTEGER,
    "number" INTEGER,
    "note" TEXT,
    CONSTRAINT "Ticket_row_number_fkey" FOREIGN KEY ("row", "number") REFERENCES "Seat" ("row", "number") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "McpSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "transport" TEXT NOT NULL,
    "revision" TEXT NOT NULL,
    "principal" TEXT,
    "clientInfo" JSONB NOT NULL,
    "capabilities" JSONB NOT NULL,
    "logLevel" TEXT,
    "initialized" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "connection" TEXT,
    "position" TEXT
);

-- CreateTable
CREATE TABLE "McpSubscription" (
    "sessionId" TEXT NOT NULL,
    "uriHash" TEXT NOT NULL,
    "uri" TEXT NOT NULL,

    PRIMARY KEY ("sessionId", "uriHash"),
    CONSTRAINT "McpSubscription_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "McpEvent" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    "stream" TEXT NOT NULL,
    "sessionId" TEXT,
    "data" TEXT,
    "largeData" TEXT,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "McpNode" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "beat" INTEGER NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "McpContinuation" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "answers" JSONB NOT NULL,
    "takenBy" TEXT,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "McpIdempotencyKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "result" TEXT,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "McpAuditEntry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "startedAt" DATETIME NOT NULL,
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
    "expiresAt" DATETIME
);

-- CreateTable
CREATE TABLE "McpTask" (
    "id" TEXT NOT NULL PRIMARY KEY,
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
    "createdAt" DATETIME NOT NULL,
    "lastUpdatedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "_ClientToTag" (
    "A" INTEGER NOT NULL,
    "B" INTEGER NOT NULL,
    CONSTRAINT "_ClientToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Client" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "_ClientToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag" ("id") ON DELETE CASCADE ON UPDATE CASCADE
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
CREATE UNIQUE INDEX "_ClientToTag_AB_unique" ON "_ClientToTag"("A", "B");

-- CreateIndex
CREATE INDEX "_ClientToTag_B_index" ON "_ClientToTag"("B");

-- CreateView
CREATE VIEW "Author" AS
SELECT "id", "nick", "label", (SELECT COUNT(*) FROM "Doc" WHERE "Doc"."authorId" = "Member"."id") AS "docs", "mood" FROM "Member";
