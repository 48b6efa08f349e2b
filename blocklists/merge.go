package blocklists

import (
	"bytes"
)

// stream gives sorted records: each borrowed until the next is asked for, nil at
// the end.
type stream interface {
	next() (record, error)
}

// merger is the stream of all records of other streams, in order. Equal records
// come in the streams' order.
type merger struct {
	streams []stream
	heap    []head // the least on top; nil before the first record
	from    int    // which stream the last record is from
}

func (m *merger) next() (record, error) {
	if m.heap == nil {
		if err := m.start(); err != nil {
			return nil, err
		}
	} else if len(m.heap) > 0 {
		r, err := m.streams[m.from].next()
		if err != nil {
			return nil, err
		}
		if r == nil {
			last := len(m.heap) - 1
			m.heap[0], m.heap = m.heap[last], m.heap[:last]
		} else {
			m.heap[0].r = r
		}
		settle(m.heap, 0)
	}
	if len(m.heap) == 0 {
		return nil, nil
	}
	m.from = m.heap[0].from
	return m.heap[0].r, nil
}

func (m *merger) start() error {
	m.heap = make([]head, 0, len(m.streams))
	for i, s := range m.streams {
		r, err := s.next()
		if err != nil {
			return err
		}
		if r != nil {
			m.heap = append(m.heap, head{r, i})
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		settle(m.heap, i)
	}
	return nil
}

// head is the record a stream stands at.
type head struct {
	r    record
	from int
}

func (h head) before(other head) bool {
	if c := bytes.Compare(h.r, other.r); c != 0 {
		return c < 0
	}
	return h.from < other.from
}

// settle lets the i-th head of a binary heap sink to its place. By hand, because
// container/heap would allocate and this is the innermost loop of a build.
func settle(heap []head, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child].before(heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// difference counts the names, each with its mode, that only one of two streams
// has.
func difference(old, fresh stream) (added, removed int, err error) {
	a, err := old.next()
	if err != nil {
		return 0, 0, err
	}
	b, err := fresh.next()
	for err == nil && (a != nil || b != nil) {
		order := 0
		switch {
		case a == nil:
			order = 1
		case b == nil:
			order = -1
		default:
			order = bytes.Compare(a.withoutTopic(), b.withoutTopic())
		}
		if order < 0 {
			removed++
		} else if order > 0 {
			added++
		}
		if order <= 0 {
			a, err = old.next()
		}
		if order >= 0 && err == nil {
			b, err = fresh.next()
		}
	}
	return added, removed, err
}
