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
)

const (
	emulator = "qemu-mipsel-static"
	counted  = 200 // names of a kind: their average moves by a percent or two
)

// lookupCode names the functions that a lookup runs through, whose
// instructions are traced.
var lookupCode = []string{
	"Trie).Lookup", "walk).to", "Trie).find", "hotGroup.bucket", "hotGroup.valued", "confirm", "extend", "suffixHash).sum", "skip", "prefixCode).read",
	"Offsets",
}

// count counts the instructions of one question on mipsle, the smallest
// routers: the emulator runs one instruction at a time and logs each that lies
// in a function a lookup uses; what is logged more with questions than without
// is the questions' own. Without the emulator it counts nothing, and in four
// million names neither: opening them, instruction by instruction, takes long.
func count(args []string) error {
	names, snapshot, dir := args[0], args[1], args[2]
	if _, err := exec.LookPath(emulator); err != nil {
		fmt.Fprintln(os.Stderr, "no instructions are counted:", err)
		return nil
	}
	walk, err := buildWalk(dir)
	if err != nil {
		return err
	}
	ranges, err := lookupRanges(walk)
	if err != nil {
		return err
	}
	held, err := namesIn(names)
	if err != nil {
		return err
	}
	if len(held) > 1_000_000 {
		return nil
	}
	questions, err := queries(held, counted)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "asked")
	opened := 0 // instructions that are not the questions' own
	for _, kind := range kinds {
		var list bytes.Buffer
		for _, n := range questions[kind.name] {
			fmt.Fprintln(&list, n)
		}
		if err := os.WriteFile(path, list.Bytes(), 0o644); err != nil {
			return err
		}
		if opened == 0 {
			if opened, err = trace(ranges, walk, snapshot, path, "0"); err != nil {
				return err
			}
		}
		all, err := trace(ranges, walk, snapshot, path, "1")
		if err != nil {
			return err
		}
		report("mipsle_"+kind.name+"_instructions", float64(all-opened)/counted)
	}
	return nil
}

func buildWalk(dir string) (string, error) {
	out := filepath.Join(dir, "walk.mipsle")
	cmd := exec.Command("go", "build", "-o", out, "github.com/treehouse-dns/treehouse/bench/trie/walk")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=mipsle", "GOMIPS=softfloat")
	cmd.Stderr = os.Stderr
	return out, cmd.Run()
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
