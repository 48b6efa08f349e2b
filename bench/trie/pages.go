package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/treehouse-dns/treehouse/filter"
)

// pages counts the pages of a snapshot that 100,000 questions of one kind touch,
// which is what stays resident of a mapped one: misses touch the hot parts.
func pages(args []string) error {
	names, err := namesIn(args[0])
	if err != nil {
		return err
	}
	questions, err := queries(names, asked)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	const ours = syscall.MAP_PRIVATE | syscall.MAP_ANONYMOUS
	memory, err := syscall.Mmap(-1, 0, len(file), syscall.PROT_READ|syscall.PROT_WRITE, ours)
	if err != nil {
		return err
	}
	const noHugePages = 15 // MADV_NOHUGEPAGE
	if err := syscall.Madvise(memory, noHugePages); err != nil {
		return err
	}
	copy(memory, file)
	trie, err := filter.OpenTrie(memory)
	if err != nil {
		return err
	}
	for _, kind := range []string{"top_site_miss", "near_miss", "hit"} {
		if err := os.WriteFile("/proc/self/clear_refs", []byte("1"), 0); err != nil { // forget what was touched
			return err
		}
		for _, n := range questions[kind] {
			trie.Lookup(n)
		}
		touched, err := touchedOf(uintptr(unsafe.Pointer(&memory[0])))
		if err != nil {
			return err
		}
		report("touched_by_"+kind+"_bytes_per_name", touched/float64(len(names)))
	}
	return nil
}

// touchedOf is how many bytes of the mapping at an address have been touched.
func touchedOf(start uintptr) (float64, error) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	inside := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= start && start < to
		}
		if rest, ok := strings.CutPrefix(line, "Referenced:"); ok && inside {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return 1024 * kb, err
		}
	}
	return 0, fmt.Errorf("nothing is mapped at %#x", start)
}
