-- CreateTable
CREATE TABLE "Team" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "size" INTEGER,
    "parentId" INTEGER,
    CONSTRAINT "Team_parentId_fkey" FOREIGN KEY ("parentId") REFERENCES "Team" ("id") ON DELETE NO ACTION ON UPDATE NO ACTION
);

-- CreateTable
CREATE TABLE "Person" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "teamId" INTEGER NOT NULL,
    "nick" TEXT NOT NULL,
    "label" TEXT,
    "score" INTEGER,
    "points" BIGINT,
    "ratio" REAL,
    "amount" DECIMAL,
    "active" BOOLEAN,
    "seenAt" DATETIME,
    "photo" BLOB,
    "mood" TEXT,
    "diary" TEXT NOT NULL DEFAULT 'none',
    "bossId" INTEGER,
    CONSTRAINT "Person_teamId_fkey" FOREIGN KEY ("teamId") REFERENCES "Team" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Person_bossId_fkey" FOREIGN KEY ("bossId") REFERENCES "Person" ("id") ON DELETE NO ACTION ON UPDATE NO ACTION
);

-- CreateTable
CREATE TABLE "Doc" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "title" TEXT NOT NULL,
    "rank" INTEGER,
    "draft" TEXT,
    "authorId" INTEGER,
    "editorId" INTEGER NOT NULL,
    CONSTRAINT "Doc_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Person" ("id") ON DELETE SET NULL ON UPDATE CASCADE,
    CONSTRAINT "Doc_editorId_fkey" FOREIGN KEY ("editorId") REFERENCES "Person" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Badge" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "text" TEXT NOT NULL,
    "level" INTEGER,
    "extra" JSONB,
    "personId" INTEGER,
    CONSTRAINT "Badge_personId_fkey" FOREIGN KEY ("personId") REFERENCES "Person" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Profile" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "bio" TEXT,
    "grade" INTEGER,
    "personId" INTEGER NOT NULL,
    CONSTRAINT "Profile_personId_fkey" FOREIGN KEY ("personId") REFERENCES "Person" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Tag" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "label" TEXT NOT NULL,
    "weight" INTEGER
);

-- CreateTable
CREATE TABLE "Room" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "teamId" INTEGER,
    CONSTRAINT "Room_teamId_fkey" FOREIGN KEY ("teamId") REFERENCES "Team" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Seat" (
    "personId" INTEGER NOT NULL,
    "roomId" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "level" TEXT,

    PRIMARY KEY ("personId", "roomId"),
    CONSTRAINT "Seat_personId_fkey" FOREIGN KEY ("personId") REFERENCES "Person" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Seat_roomId_fkey" FOREIGN KEY ("roomId") REFERENCES "Room" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Vault" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "content" TEXT NOT NULL,
    "personId" INTEGER,
    CONSTRAINT "Vault_personId_fkey" FOREIGN KEY ("personId") REFERENCES "Person" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "_PersonToTag" (
    "A" INTEGER NOT NULL,
    "B" INTEGER NOT NULL,
    CONSTRAINT "_PersonToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Person" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "_PersonToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "_DocToTag" (
    "A" INTEGER NOT NULL,
    "B" INTEGER NOT NULL,
    CONSTRAINT "_DocToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "Doc" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "_DocToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "Tag" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE UNIQUE INDEX "Badge_personId_key" ON "Badge"("personId");

-- CreateIndex
CREATE UNIQUE INDEX "Profile_personId_key" ON "Profile"("personId");

-- CreateIndex
CREATE UNIQUE INDEX "Tag_label_key" ON "Tag"("label");

-- CreateIndex
CREATE UNIQUE INDEX "Seat_roomId_slot_key" ON "Seat"("roomId", "slot");

-- CreateIndex
CREATE UNIQUE INDEX "_PersonToTag_AB_unique" ON "_PersonToTag"("A", "B");

-- CreateIndex
CREATE INDEX "_PersonToTag_B_index" ON "_PersonToTag"("B");

-- CreateIndex
CREATE UNIQUE INDEX "_DocToTag_AB_unique" ON "_DocToTag"("A", "B");

-- CreateIndex
CREATE INDEX "_DocToTag_B_index" ON "_DocToTag"("B");

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
