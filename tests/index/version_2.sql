-- A catalogue as version 2 of the schema left it: two photos and a recipe, before captions.
BEGIN TRANSACTION;
CREATE TABLE changes (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	op VARCHAR(8) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	pk BIGINT NOT NULL,
	id TEXT NOT NULL
);
INSERT INTO "changes" VALUES(1,'put','image',1,'i');
INSERT INTO "changes" VALUES(2,'put','image',2,'drawn');
INSERT INTO "changes" VALUES(3,'put','recipe',3,'r');
CREATE TABLE generations (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	fingerprint TEXT NOT NULL,
	encoder TEXT NOT NULL,
	dim INTEGER NOT NULL,
	active BOOLEAN NOT NULL,
	created_at DATETIME NOT NULL,
	UNIQUE (fingerprint)
);
INSERT INTO "generations" VALUES(1,'f','e',8,1,'2026-11-24 15:13:28.991418');
CREATE TABLE ingredient_words (
	pk INTEGER NOT NULL,
	place INTEGER NOT NULL,
	word TEXT NOT NULL,
	PRIMARY KEY (pk, place),
	FOREIGN KEY(pk) REFERENCES items (pk) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "ingredient_words" VALUES(3,0,'2');
INSERT INTO "ingredient_words" VALUES(3,1,'cup');
INSERT INTO "ingredient_words" VALUES(3,2,'rice');
INSERT INTO "ingredient_words" VALUES(3,5,'salt');
INSERT INTO "ingredient_words" VALUES(3,3,'vinegar');
CREATE TABLE items (
	pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	kind VARCHAR(16) NOT NULL,
	id TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	revision INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	CONSTRAINT uq_items_kind_id UNIQUE (kind, id)
);
INSERT INTO "items" VALUES(1,'image','i','110e8d8e81f061866f659c97a9fc4d3edcd6089fdde287ac74c2d65d13e0608c',1,'2026-11-24 15:13:29.201628','2026-11-24 15:13:29.201628');
INSERT INTO "items" VALUES(2,'image','drawn','a853e8509bfa2a8113790dd5b0cb9999fa8b638a50c84c7e2e44dadb241b1c8a',1,'2026-11-24 15:13:29.201628','2026-11-24 15:13:29.201628');
INSERT INTO "items" VALUES(3,'recipe','r','ad54e4f11defe88a180cacd07580d98128f38801139a3afa1b19c6c3290fbd3a',1,'2026-11-24 15:13:29.201628','2026-11-24 15:13:29.201628');
CREATE TABLE job_errors (
	job_number INTEGER NOT NULL,
	position INTEGER NOT NULL,
	item TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (job_number, position),
	FOREIGN KEY(job_number) REFERENCES jobs (number) ON DELETE CASCADE
);
CREATE TABLE jobs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	id VARCHAR(32) NOT NULL,
	kind TEXT NOT NULL,
	params JSON NOT NULL,
	state VARCHAR(16) NOT NULL,
	detail TEXT NOT NULL,
	cancel_requested BOOLEAN NOT NULL,
	attempts INTEGER NOT NULL,
	owner TEXT,
	lease_until DATETIME,
	done INTEGER NOT NULL,
	total INTEGER,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	unchanged INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	error_count INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	started_at DATETIME,
	finished_at DATETIME,
	UNIQUE (id)
);
CREATE TABLE links (
	recipe_pk INTEGER NOT NULL,
	image_pk INTEGER NOT NULL,
	position INTEGER NOT NULL,
	recipe_position INTEGER NOT NULL,
	PRIMARY KEY (recipe_pk, image_pk),
	FOREIGN KEY(recipe_pk) REFERENCES items (pk) ON DELETE CASCADE,
	FOREIGN KEY(image_pk) REFERENCES items (pk) ON DELETE CASCADE
);
INSERT INTO "links" VALUES(3,1,0,0);
CREATE TABLE meta (
	"key" VARCHAR(64) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','2');
INSERT INTO "meta" VALUES('catalogue_id','57975273e9194117b69e34dbc3451c91');
CREATE TABLE pictures (
	pk INTEGER NOT NULL,
	blob VARCHAR(64) NOT NULL,
	media_type TEXT NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	size BIGINT NOT NULL,
	title TEXT NOT NULL,
	generated BOOLEAN NOT NULL,
	extra JSON NOT NULL,
	PRIMARY KEY (pk),
	FOREIGN KEY(pk) REFERENCES items (pk) ON DELETE CASCADE
);
INSERT INTO "pictures" VALUES(1,'fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8','image/jpeg',4,3,9,'Soup',0,'{}');
INSERT INTO "pictures" VALUES(2,'fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8','image/jpeg',4,3,9,'',1,'{}');
CREATE TABLE recipes (
	pk INTEGER NOT NULL,
	title TEXT NOT NULL,
	ingredients JSON NOT NULL,
	instructions JSON NOT NULL,
	extra JSON NOT NULL,
	PRIMARY KEY (pk),
	FOREIGN KEY(pk) REFERENCES items (pk) ON DELETE CASCADE
);
INSERT INTO "recipes" VALUES(3,'Soup','["2 cups rice vinegar", "salt"]','["Boil."]','{"yield": 2}');
CREATE TABLE tags (
	pk INTEGER NOT NULL,
	position INTEGER NOT NULL,
	tag TEXT NOT NULL,
	"key" TEXT NOT NULL,
	PRIMARY KEY (pk, position),
	FOREIGN KEY(pk) REFERENCES items (pk) ON DELETE CASCADE
);
INSERT INTO "tags" VALUES(1,0,'Hot','hot');
INSERT INTO "tags" VALUES(3,0,'Hot','hot');
CREATE TABLE vectors (
	pk INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	vector BLOB NOT NULL,
	PRIMARY KEY (pk, generation),
	FOREIGN KEY(pk) REFERENCES items (pk) ON DELETE CASCADE,
	FOREIGN KEY(generation) REFERENCES generations (number) ON DELETE CASCADE
);
INSERT INTO "vectors" VALUES(1,1,X'5E31613622310FB90737EE322BB48334');
INSERT INTO "vectors" VALUES(2,1,X'142BE4B0BBAFB6B936385B3517AE3E33');
INSERT INTO "vectors" VALUES(3,1,X'23382EB9C72E9AB057AFFEAA18B885AB');
CREATE INDEX ix_items_kind_pk ON items (kind, pk);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_pictures_blob ON pictures (blob);
CREATE INDEX ix_tags_key_pk ON tags ("key", pk);
CREATE INDEX ix_links_image_pk ON links (image_pk);
CREATE INDEX ix_ingredient_words_word ON ingredient_words (word, pk, place);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('generations',1);
INSERT INTO "sqlite_sequence" VALUES('items',3);
INSERT INTO "sqlite_sequence" VALUES('changes',3);
COMMIT;
