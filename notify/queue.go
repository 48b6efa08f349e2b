package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

const (
	// waiting is how many notices wait for one sender: more than a child may ask
	// in an hour, times a few children.
	waiting = 32
	// sendFor is how long one try may take.
	sendFor = 20 * time.Second
)

// pauses are the waits between the tries of one notice: a router whose line is
// down for half an hour still tells.
func pauses() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}
}

// Message is what a sender sends.
type Message struct {
	household.Notice
	Text string // the notice as a sentence, in the family's language
}

// Sender carries a message to one address. Send returns when the other side has
// taken it, or an error that names the address without its secrets; RefusedError
// if trying again is of no use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// RefusedError says that the other side will not take a message, now or later.
type RefusedError struct {
	Where, Why string
}

func (e *RefusedError) Error() string { return e.Where + " refused a notice: " + e.Why }

// Queue keeps notices until they are sent. It is a household.Notifier; make one
// with NewQueue and let Run send.
type Queue struct {
	senders []Sender
	queues  []chan Message
	words   func(household.Notice) string
	failed  func(error)
}

// NewQueue makes a queue. words makes a sentence of a notice, nil an English
// one. failed is told of notices that were not sent; it may be called by several
// goroutines at once.
func NewQueue(words func(household.Notice) string, failed func(error), senders ...Sender) *Queue {
	if words == nil {
		words = household.Notice.String
	}
	q := &Queue{senders: senders, words: words, failed: failed}
	for range senders {
		q.queues = append(q.queues, make(chan Message, waiting))
	}
	return q
}

// Notify implements household.Notifier. Where too many wait already, this one is
// dropped and failed is told.
func (q *Queue) Notify(n household.Notice) {
	m := Message{Notice: n, Text: q.words(n)}
	for _, c := range q.queues {
		select {
		case c <- m:
		default:
			q.failed(fmt.Errorf("%d notices wait to be sent already; the one about request %d was dropped", waiting, n.Request))
		}
	}
}

// Run sends until ctx ends. A sender that does not get through keeps no other
// waiting.
func (q *Queue) Run(ctx context.Context) error {
	var senders sync.WaitGroup
	for i, s := range q.senders {
		senders.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case m := <-q.queues[i]:
					if err := deliver(ctx, s, m); err != nil && ctx.Err() == nil {
						q.failed(err)
					}
				}
			}
		})
	}
	senders.Wait()
	return ctx.Err()
}

// deliver tries until a message is taken, refused, or too old.
func deliver(ctx context.Context, s Sender, m Message) error {
	for again := pauses(); ; again = again[1:] {
		try, cancel := context.WithTimeout(ctx, sendFor)
		err := s.Send(try, m)
		cancel()
		if refused := (*RefusedError)(nil); err == nil || len(again) == 0 || errors.As(err, &refused) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again[0]):
		}
	}
}
