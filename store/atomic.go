package store

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// The modes of everything written here: it says who lives in a home.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// writeWhole puts a file at path that write has filled, all of it or nothing of
// it: a temporary file beside it, fsync, rename, fsync of the folder.
func writeWhole(path string, write func(*os.File) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+temporary) // 0600 by itself
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // nothing to remove once it is renamed
	giveToOwner(file, filepath.Dir(path))
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return err
}

// giveToOwner gives a file that root has made to whom the folder belongs, so that
// a command typed as root does not lock the daemon out. Where that cannot be
// done the file stays root's, and the daemon says so when it needs it.
func giveToOwner(file *os.File, folder string) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(folder); err == nil {
		if system, ok := info.Sys().(*syscall.Stat_t); ok && system.Uid != 0 {
			file.Chown(int(system.Uid), int(system.Gid))
		}
	}
}

// temporary is what CreateTemp puts into the name of an unfinished file.
const temporary = ".new-*"

// sweepTemporary removes what a killed writeWhole has left beside path. Only
// for who holds path's lock alone.
func sweepTemporary(path string) {
	left, _ := filepath.Glob(path + temporary)
	for _, name := range left {
		os.Remove(name)
	}
}

func hasTemporary(path string) bool {
	left, _ := filepath.Glob(path + temporary)
	return len(left) > 0
}

func copyWhole(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return writeWhole(to, func(dst *os.File) error {
		_, err := io.Copy(dst, src)
		return err
	})
}

// syncFolder makes a rename last. Some file systems cannot, and say so with an
// error that changes nothing: the file itself has been synced.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	folder.Sync()
	return folder.Close()
}

// WriteFile puts a small file at path, all of it or nothing, as lasting and as
// private as a database.
func WriteFile(path string, content []byte) error {
	return sentence(path, writeWhole(path, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	}))
}
