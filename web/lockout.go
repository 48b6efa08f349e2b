package web

import (
	"sync"
	"time"
)

const (
	// freeTries is how often somebody may mistype before waiting begins.
	freeTries = 5
	// longestWait bounds the doubling: a quarter of an hour stops guessing (100
	// a day) and is not a punishment.
	longestWait = 15 * time.Minute
	// maxSources bounds the table of who mistyped. The oldest goes first.
	maxSources = 512
)

// lockout slows down guessing, per source and never for everyone: what a child
// types on a tablet must not keep a parent out. A source is a browser that has
// signed in before, by its cookie, or else an address; so a parent's own phone
// waits only for its own mistakes.
type lockout struct {
	now func() time.Time

	mu      sync.Mutex
	sources map[string]*tries
}

type tries struct {
	failed int
	until  time.Time // no try before
	last   time.Time
}

func newLockout(now func() time.Time) *lockout {
	return &lockout{now: now, sources: map[string]*tries{}}
}

// wait is how long the source still has to wait; 0 if it may try. It counts the
// try as failed until right is called, so that a hundred at once are not one.
func (l *lockout) wait(source string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	t := l.sources[source]
	if t == nil {
		if len(l.sources) >= maxSources {
			l.dropOldest()
		}
		t = &tries{}
		l.sources[source] = t
	}
	if left := t.until.Sub(now); left > 0 && left <= longestWait { // more: the clock was set back
		return left
	}
	if now.Sub(t.last) > 24*time.Hour {
		t.failed = 0
	}
	t.failed, t.last = t.failed+1, now
	if over := t.failed - freeTries; over > 0 {
		t.until = now.Add(min(time.Second<<min(over, 20), longestWait))
	}
	return 0
}

// right forgets the source's failures.
func (l *lockout) right(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sources, source)
}

func (l *lockout) dropOldest() {
	var oldest string
	var at time.Time
	for s, t := range l.sources {
		if oldest == "" || t.last.Before(at) {
			oldest, at = s, t.last
		}
	}
	delete(l.sources, oldest)
}
