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
	f.found = r
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
	gone := []string{f.backupPath()}
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
