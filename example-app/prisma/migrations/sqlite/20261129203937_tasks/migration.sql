-- CreateTable
CREATE TABLE "McpTask" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "principal" TEXT,
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

-- CreateIndex
CREATE INDEX "McpTask_principal_createdAt_idx" ON "McpTask"("principal", "createdAt");

-- CreateIndex
CREATE INDEX "McpTask_node_idx" ON "McpTask"("node");

-- CreateIndex
CREATE INDEX "McpTask_expiresAt_idx" ON "McpTask"("expiresAt");
