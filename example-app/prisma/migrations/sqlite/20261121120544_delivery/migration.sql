-- DropIndex
DROP INDEX "McpSubscription_uriHash_idx";

-- CreateIndex
CREATE INDEX "McpSubscription_uriHash_sessionId_idx" ON "McpSubscription"("uriHash", "sessionId");

-- AlterTable: added in place, for a table that is made anew takes what refers to it along
ALTER TABLE "McpSession" ADD COLUMN "holder" TEXT;
ALTER TABLE "McpSession" ADD COLUMN "delivered" INTEGER NOT NULL DEFAULT 0;

-- RedefineTables
CREATE TABLE "new_McpEvent" (
    "stream" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "sessionId" TEXT,
    "data" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL DEFAULT 0,
    "final" BOOLEAN NOT NULL,
    "expiresAt" DATETIME NOT NULL,

    PRIMARY KEY ("stream", "seq"),
    CONSTRAINT "McpEvent_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "McpSession" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_McpEvent" ("data", "expiresAt", "final", "seq", "sessionId", "stream") SELECT "data", "expiresAt", "final", "seq", "sessionId", "stream" FROM "McpEvent";
DROP TABLE "McpEvent";
ALTER TABLE "new_McpEvent" RENAME TO "McpEvent";
CREATE INDEX "McpEvent_sessionId_idx" ON "McpEvent"("sessionId");
CREATE INDEX "McpEvent_expiresAt_idx" ON "McpEvent"("expiresAt");
