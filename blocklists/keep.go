package blocklists

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

// Lists in memory are gone after a reboot, and the internet may be too. So that
// the home is filtered as before, a copy of the file is kept on flash: the
// snapshot, the states of the sources, and the names of those sources that have
// no URL, which nobody else has. The other names can be fetched again; until they
// are, their sources are Away, and nothing is compiled without them.

const (
	// keepEvery is how often a copy is written that differs in nothing but news:
	// flash wears, and yesterday's lists are good ones.
	keepEvery = 24 * time.Hour
	// keepSpare in bytes is what a copy leaves of the file system: household.db is
	// written anew with each change, and matters more.
	keepSpare = 512 << 10
)

// Keep writes the copy (Options.Kept) if it is time, and tells whether it did. It
// is time if there is none, if sources were added, removed or imported by hand, and
// with other news once a day. The copy before stays until the new one is whole.
func (l *Library) Keep(ctx context.Context) (written bool, err error) {
	last, err := l.LastBuild()
	if err != nil || l.opt.Kept == "" || last.Number == 0 {
		return false, err
	}
	var kept Build
	if value := l.file.BackedUp(buildBucket, lastBuild); value != nil {
		if kept, err = readBuild(value); err != nil {
			kept = Build{}
		}
	}
	if !last.isWorthKeeping(kept, l.opt.Now()) {
		return false, nil
	}
	sources, err := l.Sources()
	if err != nil {
		return false, err
	}
	isElsewhere := func(table string) bool {
		return slices.ContainsFunc(sources, func(s SourceState) bool { return s.URL != "" && namesTable(s.ID) == table })
	}
	return true, l.file.SaveBackupWithout(ctx, isElsewhere, l.opt.KeptBytes, keepSpare)
}

// isWorthKeeping tells whether b takes the place of the build that is kept, the
// zero Build if none is.
func (b Build) isWorthKeeping(kept Build, now time.Time) bool {
	if b.Number == kept.Number && b.At.Equal(kept.At) {
		return false
	}
	age := now.Sub(kept.At)
	return kept.Number == 0 || b.Sources != kept.Sources || !b.ByHand.Equal(kept.ByHand) || age >= keepEvery || age < 0
}

// lastByHand is when the last of the sources without a URL was imported.
func lastByHand(sources []SourceState) (last time.Time) {
	for _, s := range sources {
		if s.URL == "" && s.Imported.After(last) {
			last = s.Imported
		}
	}
	return last
}

// markAway finds out which sources are Away.
func markAway(tx *store.Tx, sources []SourceState) error {
	here, err := tx.Tables()
	if err != nil {
		return err
	}
	for i, s := range sources {
		sources[i].Away = !s.Imported.IsZero() && !slices.Contains(here, namesTable(s.ID))
	}
	return nil
}

// AwayError says that a source's names are not here, so that a snapshot compiled
// now would filter less than the one that is in force.
type AwayError struct{ ID string }

func (e *AwayError) Error() string {
	return fmt.Sprintf("the names of %q were not kept over the reboot and have to be fetched first, and the last lists stay in force until they are; `treehouse lists update %[1]s` fetches them, `treehouse lists remove %[1]s` does without", e.ID)
}
