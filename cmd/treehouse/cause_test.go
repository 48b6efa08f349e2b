package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlainly: what the operating system says reaches nobody as it is.
func TestPlainly(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	_, notThere := os.Open(missing)
	_, folder := os.ReadFile(dir)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, inUse := net.Listen("tcp", taken.Addr().String())
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%s: %w", missing, notThere), missing + ": there is no such file or folder; look for a mistake in the path"},
		{notThere, missing + ": there is no such file or folder; look for a mistake in the path"},
		{fmt.Errorf("the calendar: %w; try again", folder), "the calendar: " + dir + ": it is a folder; name a file; try again"},
		{fmt.Errorf("the port is in use; stop what is there: %w", inUse), "the port is in use; stop what is there"},
		{fmt.Errorf("something else"), "something else"},
	} {
		if got := plainly(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := cause(inUse); !strings.Contains(got, "another program") {
		t.Error(got)
	}
}
