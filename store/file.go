package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// defaultWait is how long an operation waits for another process. The
	// longest thing anybody does under the lock is one transaction of batchBytes.
	defaultWait = 10 * time.Second

	// pageSize in bytes is the same everywhere, so that a file moves between
	// routers of one byte order whatever their kernels' page size.
	pageSize = 4096

	// growBytes is how far bbolt grows a large file at once. Its own 16 MiB is
	// more than the flash of a small router.
	growBytes = 1 << 20
)

// Options say how a File behaves. The zero Options are fine.
type Options struct {
	// Wait is how long an operation waits for another process; 0 is 10 s.
	Wait time.Duration
	// Scratch is a folder in memory (tmpfs) for the copies that are worked on
	// where the file system cannot map a file shared; "" is os.TempDir().
	Scratch string
	// Poll is how often Watch looks at the file where the kernel cannot tell of
	// changes; 0 is 2 s.
	Poll time.Duration
	// Disposable is a file that can be made again: it is not set aside when it is
	// damaged, because it may be large and flash is not.
	Disposable bool
	// Backup is where the file's backup is; "" is beside it. A file in memory has
	// it on flash, and begins from it after every start of the machine.
	Backup string
	// Mappable tells whether the file system can map the file at path shared,
	// by an error if it cannot; nil is to try it.
	Mappable func(path string) error
}

// File is one database file. Any number of goroutines and processes may use it
// at once; Views run together, an Update runs alone. Inside a View or an Update
// no other may be started on the same file: it would wait for itself.
type File struct {
	path    string
	opt     Options
	shadow  atomic.Bool // work on a copy, see shadow.go
	written atomic.Uint64
	found   *Recovery
	unnoted atomic.Bool                                // found is nowhere else, see markRecovered
	events  func(dir string) (<-chan struct{}, func()) // folderEvents; tests go without
}

// Open finds or creates the file at path, and its folder. A damaged file is set
// aside and replaced; Recovered tells. Errors are one sentence each.
func Open(path string, opt Options) (*File, error) {
	if opt.Wait == 0 {
		opt.Wait = defaultWait
	}
	if opt.Poll == 0 {
		opt.Poll = defaultPoll
	}
	if opt.Scratch == "" {
		opt.Scratch = os.TempDir()
	}
	if opt.Mappable == nil {
		opt.Mappable = mappable
	}
	f := &File{path: path, opt: opt, events: folderEvents}
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, sentence(filepath.Dir(path), err)
	}
	if err := f.prepare(); err != nil {
		return nil, sentence(path, err)
	}
	f.Shadowed()
	return f, nil
}

// prepare leaves a sound file at f.path, whatever was there before.
func (f *File) prepare() error {
	sound, err := f.isSound()
	if err != nil || sound && !f.hasTemporaries() {
		return err
	}
	release, err := f.lock(true)
	if err != nil {
		return err
	}
	defer release()
	sweepTemporary(f.path)
	if f.opt.Backup == "" {
		sweepTemporary(f.backupPath())
	}

	damage := checkFile(f.path) // again, now that nobody else is at it
	switch {
	case damage == nil:
		return nil
	case errors.Is(damage, fs.ErrNotExist):
		fromBackup, err := f.startAgain()
		if fromBackup && f.opt.Backup == "" {
			f.markRecovered(&Recovery{Damage: &DamageError{Path: f.path, What: "it was missing"}, FromBackup: true})
		}
		return err
	}
	return f.recover(damage)
}

// hasTemporaries tells whether a killed process has left something unfinished. An
// unfinished backup elsewhere may be at work still: SaveBackupWithout does not
// keep readers out.
func (f *File) hasTemporaries() bool {
	return hasTemporary(f.path) || f.opt.Backup == "" && hasTemporary(f.backupPath())
}

func (f *File) isSound() (bool, error) {
	release, err := f.lock(false)
	if err != nil {
		return false, err
	}
	defer release()
	err = checkFile(f.path)
	if errors.Is(err, fs.ErrPermission) {
		return false, err
	}
	return err == nil, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// BytesWritten is how much this process has given the disk to write through f:
// the flash budget's other side. Of a file in memory (Options.Backup) only its
// backup counts. Any goroutine may ask.
func (f *File) BytesWritten() uint64 { return f.written.Load() }

// View runs fn with a state of the file that does not change meanwhile. What a
// Tx gives is gone when fn returns.
func (f *File) View(fn func(*Tx) error) error {
	release, err := f.lock(false)
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	return sentence(f.path, f.view(fn))
}

// view is View for a caller that holds the lock, alone or shared.
func (f *File) view(fn func(*Tx) error) error {
	path, done, err := f.workingCopy()
	if err != nil {
		return err
	}
	defer done()
	return f.open(path, true, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error { return fn(&Tx{tx: tx, path: f.path}) })
	})
}

// Update runs fn and makes all that it changed last, or none of it if fn
// returns an error. The changes are on the disk when Update returns.
func (f *File) Update(fn func(*Tx) error) error {
	return f.batch(func(update updateFunc) error { return update(fn) })
}

// updateFunc is one transaction of a batch.
type updateFunc func(fn func(*Tx) error) error

// batch runs several transactions after each other. Others may look in between,
// except in shadow mode, where the whole batch is one change of the file and
// is written once.
func (f *File) batch(fn func(updateFunc) error) error {
	if f.Shadowed() {
		return sentence(f.path, f.shadowBatch(fn))
	}
	return sentence(f.path, fn(func(change func(*Tx) error) error {
		release, err := f.lock(true)
		if err != nil {
			return err
		}
		defer release()
		return f.update(f.path, change)
	}))
}

// update is one transaction on the file at path, whose lock the caller holds.
func (f *File) update(path string, fn func(*Tx) error) error {
	return f.open(path, false, func(db *bbolt.DB) error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		defer tx.Rollback() // an error when it is committed already, of no interest
		if err := fn(&Tx{tx: tx, path: f.path}); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		if path == f.path && f.opt.Backup == "" {
			stats := tx.Stats()
			f.written.Add(uint64(stats.GetPageAlloc()) + pageSize) // and the meta page
		}
		return nil
	})
}

func (f *File) lock(alone bool) (release func(), err error) {
	release, err = Lock(context.Background(), f.path+".lock", alone, f.opt.Wait)
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		locked.Path = f.path
	}
	return release, err
}

// open runs fn on the database at path and closes it. A mapping that turns out
// to have no disk behind it raises a fault; it comes back as a DamageError
// instead of ending the process.
func (f *File) open(path string, readOnly bool, fn func(*bbolt.DB) error) (err error) {
	if err := checkEnds(path); err != nil {
		return err
	}
	var file *os.File
	opened := false
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		file.Close() // and with it bbolt's lock
		if _, mapped := fault.(interface{ Addr() uintptr }); opened && !mapped {
			panic(fault) // a mistake of ours or of the caller's, not of the file's
		}
		err = &DamageError{Path: f.path, What: fmt.Sprint(fault)}
	}()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		ReadOnly:     readOnly,
		Timeout:      f.opt.Wait,
		PageSize:     pageSize,
		NoSync:       path != f.path, // a working copy in memory
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			// Never create here: a new file starts in startAgain, whole.
			file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return &LockedError{Path: f.path, Waited: f.opt.Wait}
	case err != nil:
		return err
	}
	opened = true
	db.AllocSize = growBytes
	err = fn(db)
	if e := db.Close(); err == nil {
		err = e
	}
	return err
}

// startAgain puts a new file at f.path: the last backup if there is a sound
// one, else an empty file. The caller holds the lock alone.
func (f *File) startAgain() (fromBackup bool, err error) {
	backup, err := os.Open(f.backupPath())
	if err == nil {
		err = f.create(func(path string) error { return f.fill(path, backup) })
		backup.Close()
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
	case f.opt.Disposable:
		f.found = &Recovery{Damage: &DamageError{Path: f.backupPath(), What: err.Error()}}
		if errors.Is(err, ErrBackup) { // else it may be of use when there is room
			os.Remove(f.backupPath())
		}
	case !errors.Is(err, ErrBackup):
		return false, err // a full disk is no reason to start without the backup
	}
	return false, f.create(func(string) error { return nil })
}

// create puts a new database, filled by fill, at f.path, all of it or nothing.
// It is built in the scratch folder, because the file's own may be one that
// bbolt cannot map. The caller holds the lock alone.
func (f *File) create(fill func(path string) error) error {
	temp, err := os.CreateTemp(f.opt.Scratch, filepath.Base(f.path)+temporary)
	if err != nil {
		return err
	}
	temp.Close()
	defer os.Remove(temp.Name())
	db, err := bbolt.Open(temp.Name(), fileMode, &bbolt.Options{PageSize: pageSize, NoSync: true, NoStatistics: true})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := fill(temp.Name()); err != nil {
		return err
	}
	return f.putInPlace(temp.Name())
}
