package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/treehouse-dns/treehouse/filter"
)

// pages counts what stays resident of a mapped snapshot when only some kinds of
// questions come: misses touch the hot parts.
func pages(args []string) error {
	names, err := namesIn(args[0])
	if err != nil {
		return err
	}
	questions, err := queries(names, asked)
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
	if err := syscall.Madvise(file, syscall.MADV_RANDOM); err != nil { // no pages but those asked for
		return err
	}
	for _, kind := range []string{"top_site_miss", "near_miss", "hit"} {
		if err := syscall.Madvise(file, syscall.MADV_DONTNEED); err != nil {
			return err
		}
		for _, n := range questions[kind] {
			trie.Lookup(n)
		}
		resident, err := residentOf(args[1])
		if err != nil {
			return err
		}
		report("resident_"+kind+"_bytes_per_name", resident/float64(len(names)))
	}
	return nil
}

// residentOf is how many bytes of a mapped file are resident in this process.
func residentOf(path string) (float64, error) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	ours := false
	for line := range strings.Lines(string(smaps)) {
		if strings.HasSuffix(strings.TrimSpace(line), path) {
			ours = true
		}
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok && ours {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return 1024 * kb, err
		}
	}
	return 0, fmt.Errorf("%s is not mapped", path)
}
