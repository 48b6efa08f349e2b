package household

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

const (
	// bucketCounts holds "2026-W48 0000000001" → Counts.
	bucketCounts = "counts"
	// flushEvery is how often counts are written: flash wears out.
	flushEvery = 30 * time.Minute
	// keptWeeks of counts are kept, this one included.
	keptWeeks = 5
)

// Counts is how often something was blocked for a person in a week. There is no
// name in it, no device and no time of day.
type Counts struct {
	Blocked uint64            `json:"blocked"`
	Topics  map[string]uint64 `json:"topics,omitempty"` // by topic's ID
}

// Week is a person's counts in one week.
type Week struct {
	Week string // ISO 8601, "2026-W48"
	Counts
}

// Tally counts verdicts in memory, of those for whom a parent has turned it on.
// It keeps what a person's band lets a parent see and nothing else: for a
// teenager one number, for an adult none. Observe
// may be called by any number of goroutines and does not wait or allocate.
type Tally struct {
	table atomic.Pointer[tallyTable]

	mu      sync.Mutex
	pending map[filter.PolicyID]*Counts // taken out of tables; guarded by mu
}

// tallyTable is the counters that go with one snapshot's topics.
type tallyTable struct {
	topics []string
	people []*personTally // by PolicyID; nil: nothing is counted
	of     *Household
}

type personTally struct {
	blocked atomic.Uint32
	topics  []atomic.Uint32 // by TopicID; nil: the total is enough
}

// Bind makes the tally count for the household and the lists in force. Call it
// with every new snapshot, before it is put in force; what was counted is kept,
// unless it was another family's.
func (t *Tally) Bind(h *Household, trie *filter.Trie) {
	if last := t.table.Load(); last != nil && !h.follows(last.of) {
		t.table.Store(nil)
		t.take()
	}
	next := &tallyTable{of: h, topics: make([]string, trie.Topics())}
	for id := range next.topics {
		next.topics[id] = trie.Topic(filter.TopicID(id)).ID
	}
	for _, p := range h.People {
		for int(p.ID) >= len(next.people) {
			next.people = append(next.people, nil)
		}
		switch h.Counted(p) {
		case SeesWeekly:
			next.people[p.ID] = &personTally{topics: make([]atomic.Uint32, len(next.topics))}
		case SeesTotals:
			next.people[p.ID] = &personTally{}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain(t.table.Swap(next))
	for id, c := range t.pending { // what was counted before it was turned off is gone
		if int(id) >= len(next.people) || next.people[id] == nil {
			delete(t.pending, id)
		} else if next.people[id].topics == nil {
			c.Topics = nil
		}
	}
}

// Counted is what is counted of a person, and so what a parent sees: what their
// band allows if counting was turned on, and nothing otherwise.
func (h *Household) Counted(p Person) Sees {
	on := h.Settings.Counted
	if p.Counted != nil {
		on = *p.Counted
	}
	if !on {
		return SeesNothing
	}
	return h.sees(p)
}

// SetCounting turns counting on or off for one person. Off, what was counted of
// them is gone with the same change.
func (h *Household) SetCounting(id filter.PolicyID, on bool) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if on && h.sees(*p) == SeesNothing {
		return fmt.Errorf("%s is of an age at which nothing is counted", p.Name)
	}
	p.Counted = &on
	return nil
}

// SetCountingForAll turns counting on or off for everyone, whatever was chosen
// for one of them before.
func (h *Household) SetCountingForAll(on bool) {
	h.Settings.Counted = on
	for i := range h.People {
		h.People[i].Counted = nil
	}
}

// sees is what a parent may see of a person.
func (h *Household) sees(p Person) Sees {
	band, ok := h.bands.Band(p.Band)
	if !ok {
		return SeesNothing
	}
	return band.Sees
}

// Observe counts a verdict that blocked something because of what it is. Nights
// and pauses are no news, and neither lifeline nor sealed names come here.
func (t *Tally) Observe(c filter.Client, v filter.Verdict) {
	if !isNews(v.Rule) {
		return
	}
	table, id := t.table.Load(), c.Policy&^alwaysUp
	if table == nil || int(id) >= len(table.people) || table.people[id] == nil {
		return
	}
	p := table.people[id]
	p.blocked.Add(1)
	if v.HasTopic && int(v.Topic) < len(p.topics) {
		p.topics[v.Topic].Add(1)
	}
}

// drain moves a table's counts to pending. The caller holds mu.
func (t *Tally) drain(table *tallyTable) {
	if table == nil {
		return
	}
	for id, p := range table.people {
		if p == nil {
			continue
		}
		blocked := p.blocked.Swap(0)
		if blocked == 0 {
			continue
		}
		if t.pending == nil {
			t.pending = map[filter.PolicyID]*Counts{}
		}
		c := t.pending[filter.PolicyID(id)]
		if c == nil {
			c = &Counts{}
			t.pending[filter.PolicyID(id)] = c
		}
		c.Blocked += uint64(blocked)
		for topic := range p.topics {
			if n := p.topics[topic].Swap(0); n > 0 {
				if c.Topics == nil {
					c.Topics = map[string]uint64{}
				}
				c.Topics[table.topics[topic]] += uint64(n)
			}
		}
	}
}

// take empties the tally.
func (t *Tally) take() map[filter.PolicyID]*Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain(t.table.Load())
	taken := t.pending
	t.pending = nil
	return taken
}

// AddUnwritten adds what was counted for a person since the last flush to their
// weeks, this week first.
func (t *Tally) AddUnwritten(weeks []Week, id filter.PolicyID, now time.Time) []Week {
	more := t.Unwritten(id)
	if more.Blocked == 0 {
		return weeks
	}
	if len(weeks) == 0 || weeks[0].Week != week(now) {
		weeks = slices.Insert(weeks, 0, Week{Week: week(now)})
	}
	weeks[0].add(more)
	return weeks
}

// Unwritten is what was counted for a person since the last flush.
func (t *Tally) Unwritten(id filter.PolicyID) Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain(t.table.Load())
	var sum Counts
	if c := t.pending[id]; c != nil {
		sum.add(*c)
	}
	return sum
}

// giveBack puts counts that could not be written back.
func (t *Tally) giveBack(counts map[filter.PolicyID]*Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, c := range counts {
		if other := t.pending[id]; other != nil {
			c.add(*other)
		}
		if t.pending == nil {
			t.pending = map[filter.PolicyID]*Counts{}
		}
		t.pending[id] = c
	}
}

func (c *Counts) add(other Counts) {
	c.Blocked += other.Blocked
	for topic, n := range other.Topics {
		if c.Topics == nil {
			c.Topics = map[string]uint64{}
		}
		c.Topics[topic] += n
	}
}

// KeepCounts writes the tally down every half hour and once more when ctx ends.
// failed is told of what could not be written; it is tried again.
func (f *Family) KeepCounts(ctx context.Context, t *Tally, failed func(error)) error {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		if err := f.FlushCounts(t); err != nil {
			failed(err)
		}
	}
	return ctx.Err()
}

// FlushCounts writes the tally down, in one transaction; nothing is written where
// nothing was counted.
func (f *Family) FlushCounts(t *Tally) error {
	counts := t.take()
	if len(counts) == 0 {
		return nil
	}
	now := f.opt.Now().In(f.opt.Zone)
	err := f.file.Update(func(tx *store.Tx) error {
		if err := sweepCounts(tx, f.Household(), now); err != nil {
			return err
		}
		b := tx.Bucket(bucketCounts)
		h := f.Household()
		for id, c := range counts {
			if p := h.Person(id); p == nil || h.Counted(*p) == SeesNothing {
				continue
			}
			key := []byte(week(now) + " " + idKey(uint32(id)))
			sum := *c
			value, err := b.Get(key)
			if err != nil && !isDamage(err) {
				return err
			}
			var before Counts
			if value != nil && json.Unmarshal(value, &before) == nil {
				sum = Counts{Blocked: before.Blocked, Topics: before.Topics}
				sum.add(*c)
			}
			text, err := json.Marshal(sum)
			if err == nil {
				err = b.Put(key, text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.giveBack(counts)
		return fmt.Errorf("the counts could not be written; they are kept in memory: %w", err)
	}
	return nil
}

// sweepCounts drops the counts of weeks long gone, of people who are gone, and
// of those whose parents see nothing any more.
func sweepCounts(tx *store.Tx, h *Household, now time.Time) error {
	oldest := week(now.AddDate(0, 0, -7*(keptWeeks-1)))
	kept := map[string]bool{}
	for _, p := range h.People {
		kept[idKey(uint32(p.ID))] = h.Counted(p) != SeesNothing
	}
	var gone []string
	b := tx.Bucket(bucketCounts)
	err := b.Each(nil, func(key, _ []byte) bool {
		week, person, _ := strings.Cut(string(key), " ")
		if week < oldest || !kept[person] {
			gone = append(gone, string(key))
		}
		return true
	})
	if isDamage(err) {
		return b.Clear() // a count is not worth an error
	}
	for _, key := range gone {
		if err == nil {
			err = b.Delete([]byte(key))
		}
	}
	return err
}

// isDamage tells whether a value has rotted.
func isDamage(err error) bool {
	var damage *store.DamageError
	return errors.As(err, &damage)
}

// Weeks are a person's counts, this week first, as far as their band lets a
// parent see them.
func (f *Family) Weeks(id filter.PolicyID) ([]Week, error) {
	h := f.Household()
	p := h.Person(id)
	if p == nil {
		return nil, noPerson(id)
	}
	sees := h.Counted(*p)
	if sees == SeesNothing {
		return nil, nil
	}
	var weeks []Week
	err := f.file.View(func(tx *store.Tx) error {
		return tx.Bucket(bucketCounts).Each(nil, func(key, value []byte) bool {
			name, person, _ := strings.Cut(string(key), " ")
			if person != idKey(uint32(id)) {
				return true
			}
			w := Week{Week: name}
			if json.Unmarshal(value, &w.Counts) == nil {
				if sees != SeesWeekly {
					w.Topics = nil
				}
				weeks = append(weeks, w)
			}
			return true
		})
	})
	slices.Reverse(weeks)
	return weeks, err
}

// week is the ISO 8601 week of a time, "2026-W48".
func week(t time.Time) string {
	year, n := t.ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, n)
}
