package household

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

// told keeps what left the home.
type told struct{ notices []Notice }

func (t *told) Notify(n Notice) { t.notices = append(t.notices, n) }

// TestNotices: nothing leaves the home until the family says so, then once for
// each request and with no more than was chosen.
func TestNotices(t *testing.T) {
	now := monday
	path := filepath.Join(t.TempDir(), "household.db")
	file, err := store.Open(path, store.Options{})
	must(t, err)
	out := &told{}
	f, err := Open(file, Options{Now: func() time.Time { return now }, Notifier: out})
	must(t, err)
	must(t, f.Change(addAna))
	ask := func(f *Family, r Request) {
		t.Helper()
		r.Person = 1
		must(t, f.Change(func(h *Household) error { _, err := h.Ask(r, now); return err }))
	}
	tell := func(what Tell) { must(t, f.Change(func(h *Household) error { return h.SetTell(what) })) }
	want := func(what ...string) {
		t.Helper()
		var got []string
		for _, n := range out.notices {
			got = append(got, n.String())
		}
		if strings.Join(got, "|") != strings.Join(what, "|") {
			t.Errorf("told %q, want %q", got, what)
		}
		out.notices = nil
	}
	ask(f, Request{Site: "one.example", Words: "please, for school"})
	want()
	tell(TellWho)
	want() // what was asked before is no news
	ask(f, Request{Site: "two.example", Words: "please"})
	want("Ana asks for something.")
	ask(f, Request{Site: "two.example"})
	want()
	tell(TellWhat)
	ask(f, Request{Site: "three.example", Words: "please"})
	want("Ana asks for three.example.")

	// Another process may have been asked. What is hours old, or comes back with
	// a backup, is no news.
	ask(openFamily(t, path), Request{Site: "four.example"})
	must(t, f.Reload())
	want("Ana asks for four.example.")
	now = now.Add(2 * time.Hour)
	ask(openFamily(t, path), Request{Of: ExceptNight, Length: 30})
	now = now.Add(2 * time.Hour)
	must(t, f.Reload())
	want()
	var backup bytes.Buffer
	must(t, f.Backup(&backup))
	must(t, f.Erase())
	must(t, f.Restore(&backup))
	want()
	if err := f.Change(func(h *Household) error { return h.SetTell("all") }); err == nil {
		t.Error("it may tell all")
	}
}
