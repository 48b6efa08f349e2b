package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	emulator = "qemu-mipsel-static"
	counted  = 200 // names of a kind: their average moves by a percent or two
)

// lookupCode names the functions that a lookup runs through, whose
// instructions are traced.
var lookupCode = []string{
	"Lookup", "find", "hotGroup.bucket", "confirm", "extend", "suffixHash).sum", "sipRound", "skip", "prefixCode).read",
	"onesBefore", "Offsets",
}

// buildWalk compiles walk for the smallest routers.
func buildWalk(dir string) (string, error) {
	if _, err := exec.LookPath(emulator); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "walk.mipsle")
	cmd := exec.Command("go", "build", "-o", out, "./trie/walk")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mipsle", "GOMIPS=softfloat")
	cmd.Stderr = os.Stderr
	return out, cmd.Run()
}

// instructions counts those of one question on mipsle: the emulator runs one
// instruction at a time and logs each that lies in a function a lookup uses;
// what twice as many questions log more is the questions' own.
func instructions(walk, names, snapshot, dir string) (lines []string, err error) {
	held, err := namesIn(names)
	if err != nil {
		return nil, err
	}
	questions, err := queries(held, counted)
	if err != nil {
		return nil, err
	}
	ranges, err := lookupRanges(walk)
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"hit", "deep_hit", "near_miss", "top_site_miss"} {
		var list bytes.Buffer
		for _, n := range questions[kind] {
			fmt.Fprintln(&list, filter.Name(n))
		}
		path := filepath.Join(dir, "asked")
		if err := os.WriteFile(path, list.Bytes(), 0o644); err != nil {
			return nil, err
		}
		once, err := trace(ranges, walk, snapshot, path, "1")
		if err != nil {
			return nil, err
		}
		twice, err := trace(ranges, walk, snapshot, path, "2")
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("mipsle_%s_instructions %d", kind, (twice-once)/len(questions[kind])))
	}
	return lines, nil
}

// trace runs walk and counts the instructions in ranges.
func trace(ranges string, args ...string) (int, error) {
	cmd := exec.Command(emulator, append([]string{"-singlestep", "-d", "exec,nochain", "-dfilter", ranges, "-D", "/dev/stdout"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	count := 0
	for r := bufio.NewReaderSize(out, 1<<20); ; {
		line, err := r.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("Trace ")) {
			count++
		}
		if err == io.EOF {
			return count, cmd.Wait()
		}
		if err != nil {
			return 0, err
		}
	}
}

// lookupRanges are the addresses of the functions in lookupCode.
func lookupRanges(walk string) (string, error) {
	out, err := exec.Command("go", "tool", "nm", "-size", walk).Output()
	if err != nil {
		return "", err
	}
	var ranges []string
	for line := range strings.Lines(string(out)) { // address, size, kind, name
		f := strings.Fields(line)
		if len(f) < 4 || !strings.Contains(f[3], "treehouse/filter.") {
			continue
		}
		for _, name := range lookupCode {
			if strings.HasSuffix(f[3], name) {
				size, err := strconv.Atoi(f[1])
				if err != nil {
					return "", err
				}
				ranges = append(ranges, fmt.Sprintf("0x%s+%#x", f[0], size))
			}
		}
	}
	if len(ranges) == 0 {
		return "", fmt.Errorf("%s has no code to trace", walk)
	}
	return strings.Join(ranges, ","), nil
}
