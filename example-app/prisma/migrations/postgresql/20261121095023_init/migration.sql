-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "BookingStatus" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED');

-- CreateTable
CREATE TABLE "Client" (
    "id" SERIAL NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "joinedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Client_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Booking" (
    "id" SERIAL NOT NULL,
    "clientId" INTEGER NOT NULL,
    "startsAt" TIMESTAMP(3) NOT NULL,
    "people" INTEGER NOT NULL DEFAULT 2,
    "status" "BookingStatus" NOT NULL DEFAULT 'PENDING',
    "notes" TEXT,

    CONSTRAINT "Booking_pkey" PRIMARY KEY ("id")
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

-- AddForeignKey
ALTER TABLE "Booking" ADD CONSTRAINT "Booking_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "Client"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "McpSubscription" ADD CONSTRAINT "McpSubscription_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession"("id") ON DELETE CASCADE ON UPDATE CASCADE;
