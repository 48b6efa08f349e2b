package blocklists

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

const (
	// defaultRefresh is how often a source is looked at. Most lists change daily.
	defaultRefresh = 24 * time.Hour
	// retryAfter a failure, so that a router that was offline catches up soon and
	// a server that is down is not hammered.
	retryAfter = time.Hour
	// askAgain is how soon a source may be asked again because somebody wants it
	// now: whoever presses twice costs its keeper nothing.
	askAgain = time.Minute
	// heldShare of a list's names, in percent, may come or go in one update. A
	// list that changes more has been broken, or taken over, more often than
	// not. It is held until somebody accepts it.
	heldShare = 30
	// heldFrom is the number of names from which heldShare holds: a list of ten
	// names may double.
	heldFrom = 100
)

// Outcome is what became of one source in an Update.
type Outcome string

// The outcomes. All but Updated leave the last good names.
const (
	NotDue    Outcome = "not due"
	Unchanged Outcome = "unchanged"
	Updated   Outcome = "updated"
	Held      Outcome = "held"
	Failed    Outcome = "failed"
)

// UpdateOptions choose what Update does.
type UpdateOptions struct {
	IDs    []string // only these sources; empty is all that have a URL
	Now    bool     // ask whether there is news without waiting until they are due
	Force  bool     // whether or not they are due, and whole
	Accept bool     // however much they change; implies Force
}

// UpdateResult tells of one source.
type UpdateResult struct {
	ID      string
	Outcome Outcome
	Report  Report // of what was fetched, for Updated and Held
	Err     error  // for Failed, a sentence
}

// Update fetches the sources that are due and stores those that changed; they
// count from the next Build on, which is worth it if any is Updated. A source
// that fails does not keep the others: the error is of the library, not of one
// source.
func (l *Library) Update(ctx context.Context, opt UpdateOptions) ([]UpdateResult, error) {
	sources, err := l.Sources()
	if err != nil {
		return nil, err
	}
	for _, id := range opt.IDs {
		if !slices.ContainsFunc(sources, func(s SourceState) bool { return s.ID == id && s.URL != "" }) {
			return nil, fmt.Errorf("there is no source %q with a URL to update from", id)
		}
	}
	var results []UpdateResult
	for _, s := range sources {
		if s.URL == "" || len(opt.IDs) > 0 && !slices.Contains(opt.IDs, s.ID) {
			continue
		}
		if err = ctx.Err(); err != nil {
			break
		}
		result := UpdateResult{ID: s.ID, Outcome: NotDue}
		if opt.Force || opt.Accept || s.due(l.opt.Now()) || s.Away && !s.Failed || opt.Now && l.opt.Now().Sub(s.Checked) >= askAgain {
			result = l.updateOne(ctx, s, opt)
		}
		results = append(results, result)
	}
	return results, errors.Join(err, l.noteResults(results))
}

// noteResults writes down what became of the sources, except for those whose
// state was written together with new names. In one transaction: flash wears
// with each.
func (l *Library) noteResults(results []UpdateResult) error {
	if !slices.ContainsFunc(results, UpdateResult.isNews) {
		return nil
	}
	return l.file.Update(func(tx *store.Tx) error {
		for _, r := range results {
			value, err := tx.Bucket(sourcesBucket).Get([]byte(r.ID))
			if err != nil {
				return err
			}
			if value == nil || !r.isNews() {
				continue // removed in the meantime, or nothing to say
			}
			var s SourceState
			if err := json.Unmarshal(value, &s); err != nil {
				return err
			}
			s.note(r, l.opt.Now())
			if err := putState(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r UpdateResult) isNews() bool { return r.Outcome != NotDue && r.Outcome != Updated }

// note puts into s what a look at it has brought.
func (s *SourceState) note(r UpdateResult, now time.Time) {
	s.Checked, s.Failed, s.Result = now, r.Outcome == Failed, string(r.Outcome)
	switch {
	case !s.Failed:
		s.Failing = time.Time{}
	case s.Failing.IsZero() || s.Failing.After(now): // by a clock that was ahead
		s.Failing = now
	}
	switch r.Outcome {
	case Failed:
		s.Result = r.Err.Error()
	case Held:
		s.Held = &r.Report
		s.Result = fmt.Sprintf("held: it would add %d and take away %d of %d names; accept it if that is right", r.Report.Added, r.Report.Removed, s.Report.Entries)
	}
}

// due tells whether it is time to look again. A look in the future was made by a
// clock that was wrong.
func (s *SourceState) due(now time.Time) bool {
	wait := s.Refresh
	if wait == 0 {
		wait = defaultRefresh
	}
	if s.Failed {
		wait = min(wait, retryAfter)
	}
	age := now.Sub(s.Checked)
	return s.Checked.IsZero() || age >= wait || age < 0
}

// updateOne fetches, parses and, unless it is held, stores one source. Nobody
// waits for a slow server: the turn to write is taken when the list is here.
func (l *Library) updateOne(ctx context.Context, s SourceState, opt UpdateOptions) UpdateResult {
	fail := func(err error) UpdateResult {
		rest := "the last good list stays"
		if s.Imported.IsZero() {
			rest = "nothing of it is in force yet"
		}
		return UpdateResult{ID: s.ID, Outcome: Failed, Err: fmt.Errorf("source %q: %w; %s", s.ID, err, rest)}
	}
	if err := l.check(s.Source); err != nil {
		return fail(err)
	}
	etag, lastModified := s.ETag, s.LastModified
	if opt.Force || opt.Accept || s.Imported.IsZero() || s.Away {
		etag, lastModified = "", ""
	}
	f := fetcher{source: s.Source, opt: l.opt, permit: l.permit}
	got, err := f.fetch(ctx, etag, lastModified)
	if err != nil {
		return fail(err)
	}
	if got == nil {
		return UpdateResult{ID: s.ID, Outcome: Unchanged}
	}
	defer got.close()

	release, err := l.writer(ctx)
	if err != nil {
		return fail(err)
	}
	defer release()
	im := l.newImporter(s.Source)
	defer im.sorter.close()
	if err := im.file(ctx, s.URL, got.open); err != nil {
		return fail(err)
	}
	if im.added == 0 {
		return fail(errors.New("no name in it could be taken"))
	}
	fresh, _, err := l.state(s.ID)
	if err == nil && fresh.Source != s.Source {
		err = errors.New("it was configured anew while it was fetched")
	}
	if err == nil {
		err = l.compare(im)
	}
	if err != nil {
		return fail(err)
	}
	if s.Away { // there was nothing to compare it to but a number
		entries, before := im.report.Added, fresh.Report.Entries
		im.report.Added, im.report.Removed = max(0, entries-before), max(0, before-entries)
	}
	result := UpdateResult{ID: s.ID, Outcome: Updated, Report: im.report}
	if tooMuch(im.report, fresh.Report.Entries) && !opt.Accept {
		result.Outcome = Held
		return result
	}
	fresh.ETag, fresh.LastModified, fresh.Held = got.etag, got.lastModified, nil
	fresh.note(result, l.opt.Now())
	if err := l.store(im, &fresh); err != nil {
		return fail(err)
	}
	result.Report = fresh.Report
	return result
}

// tooMuch tells whether an update changes more of a list than lists change.
func tooMuch(r Report, before int) bool {
	return before >= heldFrom && max(r.Added, r.Removed)*100 > before*heldShare
}
