// Command walk asks a snapshot for names and does as little else as it can, so
// that its instructions can be counted: walk snapshot names times.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/treehouse-dns/treehouse/filter"
)

func main() {
	debug.SetGCPercent(-1)
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(snapshot, list, count string) error {
	times, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(snapshot)
	if err != nil {
		return err
	}
	trie, err := filter.OpenTrie(b)
	if err != nil {
		return err
	}
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []filter.Name
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n, err := filter.ParseName(lines.Text())
		if err != nil {
			return err
		}
		names = append(names, n)
	}
	for range times {
		for _, n := range names {
			trie.Lookup(n)
		}
	}
	return nil
}
