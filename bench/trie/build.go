package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// build builds a snapshot under a bound of args[2] MiB, in a process that does
// nothing else, so that its peak is the build's.
func build(args []string) error {
	memory, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	started := time.Now()
	stats, err := filter.BuildTrie(f, topics, entriesIn(args[0]), filter.BuildOptions{Memory: memory << 20})
	if err := joinClose(err, f); err != nil {
		return err
	}
	at := fmt.Sprintf("build_%dmib_", memory)
	report(at+"seconds", time.Since(started).Seconds())
	report(at+"passes", float64(stats.Passes))
	peak, err := peakRSS()
	if err != nil {
		return err
	}
	report(at+"peak_rss_mib", peak)
	if memory == 16 { // what does not depend on memory, once
		report("build_peak_rss_mib", peak)
		report("names", float64(stats.Names))
		report("valued_nodes", float64(stats.Nodes))
		report("inner_nodes", float64(stats.Inner))
		report("covered_names", float64(stats.Covered))
		report("topic_sets", float64(stats.Sets))
		report("flat_bytes", float64(stats.Bytes))
		report("bytes_per_name", float64(stats.Bytes)/float64(stats.Names))
		report("bytes_per_kept_name", float64(stats.Bytes)/float64(stats.Nodes))
	}
	return nil
}

// peakRSS is the most memory that this process has had resident, in MiB.
func peakRSS() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}
