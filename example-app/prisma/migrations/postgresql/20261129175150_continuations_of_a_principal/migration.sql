-- CreateIndex
CREATE INDEX "McpContinuation_principal_expiresAt_idx" ON "McpContinuation"("principal", "expiresAt");
