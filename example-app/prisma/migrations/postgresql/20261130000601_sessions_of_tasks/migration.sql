-- AlterTable
ALTER TABLE "McpTask" ADD COLUMN     "sessionId" TEXT;
