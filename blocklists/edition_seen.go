package blocklists

import (
	"fmt"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/store"
)

// seen is the newest edition ever taken that was signed with a key.
type seen struct {
	key    string
	number uint64
	digest string
}

// readSeen reads the memory of it. One that cannot be read is none: whoever can
// damage it could as well take it away.
func readSeen(path string) (s seen) {
	if path == "" {
		return s
	}
	text, err := readSmall(path, maxSignature)
	if err == nil {
		fmt.Sscanf(string(text), "%s %d %s", &s.key, &s.number, &s.digest)
	}
	return s
}

// admits refuses an edition that is older than what was seen, or expired. Only
// signed ones are held to it: an unsigned one is its owner's to change as they
// like.
func (s seen) admits(r Replacement, e *catalogue.Edition, digest string, now time.Time) error {
	switch {
	case !e.Expires.IsZero() && !now.Before(e.Expires):
		return fmt.Errorf("%s: it expired on %s", r.from(), e.Expires.AddDate(0, 0, -1).Format(time.DateOnly))
	case r.Key == "":
		return nil
	case r.URL != "" && e.Number == 0:
		return fmt.Errorf("%s: it has no number; a catalogue that is fetched says in %s which edition it is", r.URL, catalogue.AboutFile)
	case s.key != r.Key:
		return nil
	case e.Number < s.number:
		return fmt.Errorf("%s: it is edition %d, and %d was taken already; an older one is refused", r.from(), e.Number, s.number)
	case e.Number == s.number && digest != s.digest:
		return fmt.Errorf("%s: it calls itself edition %d as the one before, and is another; its keeper has to raise the number", r.from(), e.Number)
	}
	return nil
}

// raise remembers an edition.
func (s seen) raise(r Replacement, number uint64, digest string) error {
	now := seen{r.Key, number, digest}
	if r.Seen == "" || r.Key == "" || number == 0 || s == now {
		return nil
	}
	return store.WriteFile(r.Seen, fmt.Appendf(nil, "%s %d %s\n", now.key, now.number, now.digest))
}
