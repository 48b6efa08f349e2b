// Package store keeps what has to outlive a power cut: it is the one home of
// bbolt, and no type of bbolt's leaves it.
//
// A File is not held open. Every View and Update takes the file's lock, opens
// it, runs and lets go, so that the command line and the daemon share a file
// without speaking to each other; Watch tells one what the other has done.
//
// What may go wrong, and what is done about it:
//
//	another process holds the file    wait for Options.Wait, then LockedError
//	truncated, garbage, wrong CPU     found by check before bbolt maps a byte:
//	                                  Open sets the file aside and starts from
//	                                  the last backup, or empty (Recovery);
//	                                  while the program runs, a DamageError
//	a value that rotted in place      its CRC32C does not match: DamageError
//	kill -9 in a small change         bbolt: all of it or nothing
//	kill -9 in a large change         Replace: the old table until the very
//	                                  last transaction, then the new one
//	a file in memory, and a reboot    its backup elsewhere (Options.Backup)
//	a file system without shared      shadow: changes are made to a copy in
//	mappings (jffs2)                  memory and written back whole
//
// On the disk, beside household.db: household.db.lock (empty, the lock),
// household.db.backup (portable, see Backup), household.db.bad-1 … (what was
// set aside) and household.db.recovered (that it was, until somebody has
// looked). Files have mode 0600 and folders 0700.
package store
