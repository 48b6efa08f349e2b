package blocklists

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// importRSS is what a process may have resident, in KiB, that imports any list
// with Options.Memory of 8 MiB. Bytes do not vary as times do.
const importRSS = 24 << 10

// TestImportMemory imports a list of 40 MB in a process of its own, which is how
// routers do it, and asks the kernel for its peak.
func TestImportMemory(t *testing.T) {
	if dir := os.Getenv("TREEHOUSE_TEST_MEMORY"); dir != "" {
		importForPeak(dir)
	}
	if testing.Short() {
		t.Skip("a large list takes seconds, and emulators report their own memory")
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector takes memory of its own")
	}
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "list"))
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	for i := range 1_500_000 {
		fmt.Fprintf(out, "host-%08x.d%d.example\n", uint32(i)*2654435761, i%5000)
	}
	out.Flush()
	file.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestImportMemory$")
	child.Env = append(os.Environ(), "TREEHOUSE_TEST_MEMORY="+dir)
	answer, err := child.Output()
	if err != nil {
		t.Fatal(err, string(answer))
	}
	var entries, peak int
	if _, err := fmt.Sscan(string(answer), &entries, &peak); err != nil {
		t.Skip("the kernel does not tell: ", string(answer))
	}
	want(t, "entries", entries, 1_500_000)
	if peak > importRSS {
		t.Errorf("the peak is %d KiB, and may be %d", peak, importRSS)
	}
	t.Logf("peak %d KiB", peak)
}

// importForPeak imports the list in dir and prints the entries and VmHWM.
func importForPeak(dir string) {
	const memory = 8 << 20
	debug.SetGCPercent(20)
	debug.SetMemoryLimit(memory + 2<<20)
	l, err := Open(dir, Options{Catalogue: testCatalogue(), Memory: memory})
	if err == nil {
		var reports []Report
		reports, err = l.Import(context.Background(), Source{Topic: "adult"}, []string{filepath.Join(dir, "list")})
		if err == nil {
			fmt.Println(reports[0].Entries)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	status, _ := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println(strings.Fields(peak)[0])
	os.Exit(0)
}
