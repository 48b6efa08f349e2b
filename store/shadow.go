package store

import (
	"io"
	"os"
	"syscall"
)

// mappable tries what bbolt will do: map the file shared. jffs2, and overlayfs
// on top of it, answers "invalid argument" for a file that is open for writing.
func mappable(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		file, err = os.Open(path)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := syscall.Mmap(int(file.Fd()), 0, pageSize, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	return syscall.Munmap(b)
}

// Shadowed tells whether every change writes the whole file anew, because its
// file system cannot map it. A large file is better kept elsewhere then. It is
// found out each time: OpenWrt puts flash in the place of memory under a program
// that is running, at the end of a router's first boot.
func (f *File) Shadowed() bool {
	f.shadow.Store(f.opt.Mappable(f.path) != nil)
	return f.shadow.Load()
}

// workingCopy is where bbolt may open the file: the file itself, or in shadow
// mode a copy in memory that done removes. The caller holds the lock.
func (f *File) workingCopy() (path string, done func(), err error) {
	if !f.shadow.Load() {
		return f.path, func() {}, nil
	}
	src, err := os.Open(f.path)
	if err != nil {
		return "", nil, err
	}
	defer src.Close()
	dst, err := os.CreateTemp(f.opt.Scratch, "treehouse-shadow-*")
	if err != nil {
		return "", nil, err
	}
	_, err = io.Copy(dst, src)
	if e := dst.Close(); err == nil {
		err = e
	}
	done = func() { os.Remove(dst.Name()) }
	if err != nil {
		done()
		return "", nil, err
	}
	return dst.Name(), done, nil
}

// shadowBatch runs a batch on a working copy and writes the copy back whole.
// The truth is on the disk all the time, the old one or the new one.
func (f *File) shadowBatch(fn func(updateFunc) error) error {
	release, err := f.lock(true)
	if err != nil {
		return err
	}
	defer release()
	path, done, err := f.workingCopy()
	if err != nil {
		return err
	}
	defer done()
	err = fn(func(change func(*Tx) error) error { return f.update(path, change) })
	if err != nil {
		return err
	}
	return f.putInPlace(path)
}

// putInPlace copies a finished database to f.path, all of it or nothing.
func (f *File) putInPlace(from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if f.opt.Backup == "" {
		f.written.Add(uint64(info.Size()))
	}
	return copyWhole(from, f.path)
}
