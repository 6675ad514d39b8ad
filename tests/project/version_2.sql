-- A project as format version 2 left it: marks on three pictures, a merged class, a review, an undone step, a run.
PRAGMA application_id = 1397771596;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE class_changes (
        event INTEGER NOT NULL REFERENCES events (id),
        class INTEGER NOT NULL REFERENCES classes (id),
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        PRIMARY KEY (event, class)) WITHOUT ROWID;
INSERT INTO "class_changes" VALUES(2,3,'[2, "wall", 86, 180, 233, null]','[null, "wall", 86, 180, 233, 2]');
CREATE TABLE classes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        position INTEGER UNIQUE,
        name TEXT NOT NULL,
        red INTEGER NOT NULL CHECK (red BETWEEN 0 AND 255),
        green INTEGER NOT NULL CHECK (green BETWEEN 0 AND 255),
        blue INTEGER NOT NULL CHECK (blue BETWEEN 0 AND 255), merged_into INTEGER REFERENCES classes (id));
INSERT INTO "classes" VALUES(1,0,'background',153,153,153,NULL);
INSERT INTO "classes" VALUES(2,1,'cell',230,159,0,NULL);
INSERT INTO "classes" VALUES(3,NULL,'wall',86,180,233,2);
CREATE TABLE event_state (
        event INTEGER PRIMARY KEY REFERENCES events (id),
        state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped')));
INSERT INTO "event_state" VALUES(1,'done');
INSERT INTO "event_state" VALUES(2,'done');
INSERT INTO "event_state" VALUES(3,'done');
INSERT INTO "event_state" VALUES(4,'undone');
CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('add', 'remove', 'class', 'undo', 'redo')),
        note TEXT NOT NULL,
        target INTEGER REFERENCES events (id),
        CHECK ((kind IN ('undo', 'redo')) = (target IS NOT NULL)));
INSERT INTO "events" VALUES(1,'2026-11-22T16:15:21+00:00','add','two pictures',NULL);
INSERT INTO "events" VALUES(2,'2026-11-22T16:15:21+00:00','class','Merge class wall into cell',NULL);
INSERT INTO "events" VALUES(3,'2026-11-22T16:15:21+00:00','add','review',NULL);
INSERT INTO "events" VALUES(4,'2026-11-22T16:15:21+00:00','add','undone',NULL);
INSERT INTO "events" VALUES(5,'2026-11-22T16:15:21+00:00','undo','undone',4);
CREATE TABLE mark_changes (
        event INTEGER NOT NULL REFERENCES events (id),
        mark INTEGER NOT NULL REFERENCES marks (id),
        active INTEGER NOT NULL CHECK (active IN (0, 1)),
        PRIMARY KEY (event, mark)) WITHOUT ROWID;
INSERT INTO "mark_changes" VALUES(1,1,1);
INSERT INTO "mark_changes" VALUES(1,2,1);
INSERT INTO "mark_changes" VALUES(1,3,1);
INSERT INTO "mark_changes" VALUES(3,4,1);
INSERT INTO "mark_changes" VALUES(4,5,1);
CREATE TABLE mark_classes (
        mark INTEGER NOT NULL REFERENCES marks (id),
        rank INTEGER NOT NULL,
        class INTEGER NOT NULL REFERENCES classes (id),
        PRIMARY KEY (mark, rank)) WITHOUT ROWID;
INSERT INTO "mark_classes" VALUES(4,0,1);
INSERT INTO "mark_classes" VALUES(5,0,1);
INSERT INTO "mark_classes" VALUES(1,0,2);
INSERT INTO "mark_classes" VALUES(2,0,3);
INSERT INTO "mark_classes" VALUES(3,0,3);
CREATE TABLE marks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        picture INTEGER NOT NULL REFERENCES pictures (id),
        payload TEXT NOT NULL,
        active INTEGER NOT NULL CHECK (active IN (0, 1)), accepted TEXT NOT NULL DEFAULT ''
        CHECK (accepted IN ('', 'class', 'picture')));
INSERT INTO "marks" VALUES(1,1,'{"v":1,"kind":"scribble","class":0,"points":[[2.5,3.0],[8.0,9.0]],"width":3.0}',1,'');
INSERT INTO "marks" VALUES(2,1,'{"v":1,"kind":"point","class":0,"y":10,"x":4}',1,'');
INSERT INTO "marks" VALUES(3,2,'{"v":1,"kind":"tag","class":0}',1,'');
INSERT INTO "marks" VALUES(4,3,'{"v":1,"kind":"patch","top":0,"left":0,"height":24,"width":18,"zlib":"eF5jYBgFQykEAAGwAAE=","accepted":"picture"}',1,'picture');
INSERT INTO "marks" VALUES(5,2,'{"v":1,"kind":"point","class":0,"y":1,"x":1}',0,'');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
INSERT INTO "meta" VALUES('current_run','run-0001');
INSERT INTO "meta" VALUES('schema_version','2');
CREATE TABLE pictures (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        height INTEGER NOT NULL CHECK (height > 0),
        width INTEGER NOT NULL CHECK (width > 0));
INSERT INTO "pictures" VALUES(1,'a','images/a.png','7bb48dbda50a294117c1cc65a62de8f2aece77f2',16,17);
INSERT INTO "pictures" VALUES(2,'b','images/b.png','cd2c88a03cf27b0e74779a16ad3443673ec0b71d',20,30);
INSERT INTO "pictures" VALUES(3,'c','images/sub/c.png','5e14848ef3618da7e46d16178ce5b82348b0cd3e',24,18);
CREATE TABLE runs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'stopped', 'failed')));
INSERT INTO "runs" VALUES(1,'run-0001','2026-11-22T16:15:21+00:00','finished');
CREATE TRIGGER events_stay BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_keep BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE INDEX event_state_by_state ON event_state (state, event);
CREATE INDEX marks_by_picture ON marks (picture, active, id);
CREATE INDEX mark_classes_by_class ON mark_classes (class, mark);
CREATE INDEX marks_reviewing ON marks (picture) WHERE accepted = 'picture' AND active = 1;
CREATE INDEX marks_taken_back ON marks (id) WHERE active = 0;
CREATE INDEX mark_changes_by_mark ON mark_changes (mark, event);
CREATE INDEX events_by_target ON events (target) WHERE target IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('classes',3);
INSERT INTO "sqlite_sequence" VALUES('pictures',3);
INSERT INTO "sqlite_sequence" VALUES('events',5);
INSERT INTO "sqlite_sequence" VALUES('marks',5);
COMMIT;
