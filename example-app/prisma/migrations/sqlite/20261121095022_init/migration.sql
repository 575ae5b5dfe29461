-- CreateTable
CREATE TABLE "Client" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "joinedAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "Booking" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "clientId" INTEGER NOT NULL,
    "startsAt" DATETIME NOT NULL,
    "people" INTEGER NOT NULL DEFAULT 2,
    "status" TEXT NOT NULL DEFAULT 'PENDING',
    "notes" TEXT,
    CONSTRAINT "Booking_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
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

-- CreateIndex
CREATE UNIQUE INDEX "Client_email_key" ON "Client"("email");

-- CreateIndex
CREATE INDEX "Booking_clientId_startsAt_idx" ON "Booking"("clientId", "startsAt");

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
CREATE INDEX "McpContinuation_expiresAt_idx" ON "McpContinuation"("expiresAt");
