package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"github.com/treehouse-dns/treehouse/filter"
)

// pages counts the pages of a snapshot that 2,000 questions of one kind touch, a household's day,
// which is what stays resident of a mapped one: misses touch the hot parts. It
// drops the file from memory, asks, and has the kernel tell what came back.
func pages(args []string) error {
	names, err := namesIn(args[0])
	if err != nil {
		return err
	}
	questions, err := queries(names, 2000)
	if err != nil {
		return err
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	trie, err := filter.OpenTrie(file)
	if err != nil {
		return err
	}
	if err := syscall.Madvise(file, syscall.MADV_RANDOM); err != nil { // fetch no page but those asked for
		return err
	}
	for _, kind := range kinds {
		if err := forget(f, file); err != nil {
			return err
		}
		for _, n := range questions[kind.name] {
			trie.Lookup(n)
		}
		resident, err := residentOf(file)
		if err != nil {
			return err
		}
		report("touched_by_"+kind.name+"_bytes_per_name", resident/float64(len(names)))
	}
	return nil
}

// forget drops a mapped file from memory.
func forget(f *os.File, file []byte) error {
	if err := syscall.Madvise(file, syscall.MADV_DONTNEED); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	const dontNeed = 4 // POSIX_FADV_DONTNEED
	if _, _, no := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); no != 0 {
		return fmt.Errorf("fadvise: %w", no)
	}
	if left, err := residentOf(file); err != nil || left > float64(len(file)/20) {
		return fmt.Errorf("%.0f bytes of the file stay in memory: put -dir on a disk (%v)", left, err)
	}
	return nil
}

// residentOf is how many bytes of a mapped file are in memory.
func residentOf(file []byte) (float64, error) {
	page := os.Getpagesize()
	pages := make([]byte, (len(file)+page-1)/page)
	_, _, no := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&file[0])), uintptr(len(file)), uintptr(unsafe.Pointer(&pages[0])))
	if no != 0 {
		return 0, fmt.Errorf("mincore: %w", no)
	}
	resident := 0
	for _, p := range pages {
		resident += int(p&1) * page
	}
	return float64(resident), nil
}
