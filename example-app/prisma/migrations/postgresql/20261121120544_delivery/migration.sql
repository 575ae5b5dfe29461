-- DropIndex
DROP INDEX "McpSubscription_uriHash_idx";

-- AlterTable
ALTER TABLE "McpSession" ADD COLUMN     "delivered" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "holder" TEXT;

-- AlterTable
ALTER TABLE "McpEvent" ADD COLUMN     "bytes" INTEGER NOT NULL DEFAULT 0,
ALTER COLUMN "sessionId" DROP NOT NULL;

-- CreateIndex
CREATE INDEX "McpSubscription_uriHash_sessionId_idx" ON "McpSubscription"("uriHash", "sessionId");
