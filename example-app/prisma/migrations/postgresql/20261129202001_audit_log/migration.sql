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

-- CreateIndex
CREATE INDEX "McpAuditEntry_principal_startedAt_idx" ON "McpAuditEntry"("principal", "startedAt");

-- CreateIndex
CREATE INDEX "McpAuditEntry_startedAt_idx" ON "McpAuditEntry"("startedAt");

-- CreateIndex
CREATE INDEX "McpAuditEntry_expiresAt_idx" ON "McpAuditEntry"("expiresAt");
