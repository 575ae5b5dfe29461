-- CreateTable
CREATE TABLE "McpIdempotencyKey" (
    "id" TEXT NOT NULL,
    "principal" TEXT,
    "request" TEXT NOT NULL,
    "result" TEXT,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "McpIdempotencyKey_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_principal_expiresAt_idx" ON "McpIdempotencyKey"("principal", "expiresAt");

-- CreateIndex
CREATE INDEX "McpIdempotencyKey_expiresAt_idx" ON "McpIdempotencyKey"("expiresAt");
