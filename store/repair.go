package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// keptBad is how many damaged files are kept aside. Somebody may want to look;
// flash is small.
const keptBad = 3

// Recovery tells what Open did about a damaged file.
type Recovery struct {
	Damage     *DamageError
	KeptAs     string // where the damaged file is now; "" if it was Disposable
	FromBackup bool   // started again from the last backup, else empty
}

func (r *Recovery) String() string {
	from := "started again empty, there is no sound backup"
	if r.FromBackup {
		from = "started again from the last backup"
	}
	if r.KeptAs != "" {
		from = "kept it as " + r.KeptAs + " and " + from
	}
	return fmt.Sprintf("%v; %s", r.Damage, from)
}

// Recovered tells what Open had to do, nil if the file was sound or new.
func (f *File) Recovered() *Recovery { return f.found }

// WasRecovered tells whether the file was started again, by this process or any
// other, and nobody has looked since (see Looked). Any goroutine may ask.
func (f *File) WasRecovered() bool {
	_, err := os.Lstat(f.recoveredPath())
	return err == nil || f.unnoted.Load()
}

// Looked says that a person has looked at what the file was started again with.
func (f *File) Looked() error {
	f.unnoted.Store(false)
	if err := os.Remove(f.recoveredPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sentence(f.recoveredPath(), err)
	}
	return nil
}

// markRecovered notes on the disk what was found, for the other processes and
// for this one after a restart; where the disk takes no note, for this one alone.
func (f *File) markRecovered(r *Recovery) {
	f.found = r
	if f.opt.Disposable {
		return // it is made again, and its owner says when
	}
	err := writeWhole(f.recoveredPath(), func(file *os.File) error {
		_, err := fmt.Fprintln(file, r)
		return err
	})
	f.unnoted.Store(err != nil)
}

func (f *File) recoveredPath() string { return f.path + ".recovered" }

// recover sets the damaged file aside and starts again. The caller holds the
// lock alone.
func (f *File) recover(damage error) error {
	r := &Recovery{}
	if !errors.As(damage, &r.Damage) {
		return damage // the disk cannot be read; that is no reason to throw anything away
	}
	var err error
	if f.opt.Disposable {
		err = os.Remove(f.path)
	} else {
		r.KeptAs, err = f.setAside()
	}
	if err != nil {
		return err
	}
	if r.FromBackup, err = f.startAgain(); err != nil {
		return err
	}
	f.markRecovered(r)
	return nil
}

// setAside renames the file to the first free .bad-N; when all are taken the
// oldest goes.
func (f *File) setAside() (string, error) {
	name := func(n int) string { return fmt.Sprintf("%s.bad-%d", f.path, n) }
	n := 1
	for ; n <= keptBad; n++ {
		if _, err := os.Lstat(name(n)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	for ; n > keptBad; n-- {
		for i := 1; i < keptBad; i++ {
			if err := os.Rename(name(i+1), name(i)); err != nil {
				return "", err
			}
		}
	}
	return name(n), os.Rename(f.path, name(n))
}

// Erase takes everything away: the file, its backup, what was set aside. An
// empty file takes their place, so f stays usable.
func (f *File) Erase() error {
	release, err := f.lock(true)
	if err != nil {
		return sentence(f.path, err)
	}
	defer release()
	gone := []string{f.backupPath(), f.recoveredPath()}
	for n := 1; n <= keptBad; n++ {
		gone = append(gone, fmt.Sprintf("%s.bad-%d", f.path, n))
	}
	for _, path := range gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return sentence(path, err)
		}
	}
	sweepTemporary(f.path)
	_, err = f.startAgain()
	return sentence(f.path, err)
}
