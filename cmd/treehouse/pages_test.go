package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
	"github.com/treehouse-dns/treehouse/web"
)

// TestListenOnBothWildcards: a port alone means two sockets, and neither takes
// the other's place.
func TestListenOnBothWildcards(t *testing.T) {
	first, err := listenTCP(netip.MustParseAddrPort("0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	port := first.Addr().(*net.TCPAddr).Port
	second, err := listenTCP(netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port)))
	if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// TestHealth: what a parent is told, whoever found it and when.
func TestHealth(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 23, 16, 30, 0, 0, time.UTC)
	c, err := load(t, "storage:\n  dir: "+dir+"\n  runtime_dir: "+t.TempDir()+"\ndns:\n  listen: ['127.0.0.1:0']\npages:\n  listen: []\nupstream:\n  servers: [192.0.2.1]\ndevices:\n  discover: false\n")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{out: io.Discard, errs: io.Discard, now: func() time.Time { return now }}
	d, err := a.newDaemon(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.server.Close()
	home := pagesHome{d.family, d}
	health := func(want ...web.Trouble) {
		t.Helper()
		if got := home.Health(); !slices.Equal(got, want) {
			t.Errorf("the trouble is %v, not %v", got, want)
		}
	}
	health(web.TroubleNoLists) // and none will come by itself
	c.Lists.Sources = []ListSource{{ID: "a-list"}}
	health(web.TroubleStarter)

	// Lists that a source has just confirmed are not old, whenever they were built.
	if err := d.noteRenewal(blocklists.Build{Number: 1, At: now.Add(-oldLists - time.Hour)}); err != nil {
		t.Fatal(err)
	}
	health(web.TroubleOldLists)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "blocked.example\n") }))
	defer site.Close()
	if err := d.library.Add(t.Context(), blocklists.Source{ID: "a-list", URL: site.URL, Topic: "ads", AllowHTTP: true, AllowPrivate: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := d.library.Update(t.Context(), blocklists.UpdateOptions{}); err != nil || got[0].Err != nil {
		t.Fatal(got, err)
	}
	if err := d.noteRenewal(blocklists.Build{Number: 1, At: now.Add(-oldLists - time.Hour)}); err != nil {
		t.Fatal(err)
	}
	health()
	if err := d.noteRenewal(blocklists.Build{Number: 2, At: now}); err != nil {
		t.Fatal(err)
	}
	health()

	// The command line finds the family's file damaged, and the daemon tells.
	if err := os.Truncate(filepath.Join(dir, "household.db"), 5000); err != nil {
		t.Fatal(err)
	}
	if _, file, err := a.openFamily(c, nil); err != nil || file.Recovered() == nil {
		t.Fatalf("the damage was not found: %v", err)
	}
	health(web.TroubleRestored)
	if err := home.Looked(); err != nil {
		t.Fatal(err)
	}
	health()

	// A change that the disk does not take, and one that it does.
	if err := home.Change(func(*household.Household) error { return store.ErrReadOnly }); err == nil {
		t.Fatal("it was taken")
	}
	health(web.TroubleStorage)
	if err := home.Change(func(*household.Household) error { return nil }); err != nil {
		t.Fatal(err)
	}
	health()
}

// TestRestoreSignsOut: `treehouse restore` takes who was signed in out of what it
// puts back.
func TestRestoreSignsOut(t *testing.T) {
	c := &Config{}
	c.Storage.Dir = t.TempDir()
	c.Storage.RuntimeDir, c.Time.Zone = c.Storage.Dir, time.UTC
	a := &app{now: time.Now, errs: io.Discard}
	family, file, err := a.openFamily(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := vault{file}
	if err := kept.Save([]byte(`{"accounts":[{"name":"Maria","role":"parent","hash":"h"}],"sessions":[{"id":"stolen"}]}`)); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := errors.Join(family.Backup(&backup), family.SaveBackup()); err != nil {
		t.Fatal(err)
	}
	signedOut := func(what string) {
		t.Helper()
		value, err := kept.Load()
		if err != nil || !bytes.Contains(value, []byte("Maria")) || bytes.Contains(value, []byte("stolen")) {
			t.Errorf("%s: %s, %v", what, value, err)
		}
	}
	if err := family.Restore(&backup); err != nil {
		t.Fatal(err)
	}
	signedOut("restore")
	if err := os.Truncate(filepath.Join(c.Storage.Dir, "household.db"), 5000); err != nil {
		t.Fatal(err)
	}
	if _, kept.file, err = a.openFamily(c, nil); err != nil || kept.file.Recovered() == nil {
		t.Fatalf("the damage was not found: %v", err)
	}
	signedOut("a damaged file")
}
