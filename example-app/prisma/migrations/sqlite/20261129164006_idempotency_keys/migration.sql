-- CreateTable
CREATE TABLE "McpIdempotencyKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "result" TEXT,
    "expiresAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_principal_expiresAt_idx" ON "McpIdempotencyKey"("principal", "expiresAt");

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_expiresAt_idx" ON "McpIdempotencyKey"("expiresAt");
