// Command trie measures the filter's trie on real names: bytes, time and
// memory to build, time and instructions to ask, beside a Go map and what other
// Go projects hold names in. README.md says how each figure is taken.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) > 1 && phases[os.Args[1]] != nil { // a process of its own for each measurement
		if err := phases[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	scales := flag.String("scales", "100k,1m,4m", "which lists to measure")
	dir := flag.String("dir", "", "where intermediate files go; a temporary folder if empty")
	flag.Parse()
	if err := run(strings.Split(*scales, ","), *dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// phases are what a child process is started for. Each prints key value lines.
var phases = map[string]func(args []string) error{
	"prepare": prepare,
	"build":   build,
	"ask":     ask,
	"pages":   pages,
	"delta":   delta,
	"count":   count,
}

// memories are the bounds that builds are measured under.
var memories = []string{"4", "16", "64", "512"}

// run measures scale after scale, and prints everything again at the end for
// a script to read.
func run(scales []string, dir string) error {
	if dir == "" {
		temp, err := os.MkdirTemp("", "bench-trie-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	if shared() == "" {
		return errors.New("the lists are not beside the repository; set TREEHOUSE_SHARED to the folder that has data/scale")
	}
	var all []string
	for _, scale := range scales {
		names, snapshot := filepath.Join(dir, scale+".names"), filepath.Join(dir, scale+".trie")
		steps := [][]string{{"prepare", scale, names}}
		for _, m := range memories {
			steps = append(steps, []string{"build", names, snapshot, m})
		}
		steps = append(steps, []string{"ask", names, snapshot}, []string{"pages", names, snapshot}, []string{"delta", names}, []string{"count", names, snapshot, dir})
		fmt.Printf("\n%s\n", scale)
		for _, step := range steps {
			lines, err := child(step)
			if err != nil {
				return fmt.Errorf("%s %s: %w", scale, step[0], err)
			}
			all = append(all, show(scale, lines)...)
		}
	}
	fmt.Println()
	for _, line := range all {
		fmt.Println(line)
	}
	return nil
}

func child(args []string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.Split(strings.TrimSpace(string(out)), "\n"), err
}

// show prints a phase's lines as a table, and gives them back with the scale
// in front of each key.
func show(scale string, lines []string) []string {
	var keyed []string
	for _, line := range lines {
		if key, value, ok := strings.Cut(line, " "); ok {
			fmt.Printf("  %-34s %12s\n", key, value)
			keyed = append(keyed, scale+"."+line)
		}
	}
	return keyed
}

// report prints one key value line.
func report(key string, value float64) {
	digits := 2
	if value >= 100 || value == float64(int64(value)) {
		digits = 0
	}
	fmt.Println(key, strconv.FormatFloat(value, 'f', digits, 64))
}

// shared is the folder with the lists, or empty.
func shared() string {
	for _, dir := range []string{os.Getenv("TREEHOUSE_SHARED"), "../shared", "../../shared"} {
		if _, err := os.Stat(filepath.Join(dir, "data/scale")); dir != "" && err == nil {
			return dir
		}
	}
	return ""
}
