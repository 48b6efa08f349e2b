package resolver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
)

// said makes an entry whose body is known.
func said(c *cache, name string, body []byte) (key, entry) {
	k := c.keyOf(filter.MustName(name), typeA, 0)
	return k, appendEntry(nil, &k, 0, &facts{answers: 1, lifetime: 60, body: body})
}

// TestCacheTwin compares the cache with a map over many random operations: what
// it gives is always what was put last, and it never holds more than it may.
func TestCacheTwin(t *testing.T) {
	c := newCache(cacheMin)
	twin := map[string][]byte{}
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range 200_000 {
		name := fmt.Sprintf("n%d.example", r.IntN(1+r.IntN(20_000)))
		if r.IntN(3) == 0 {
			body := make([]byte, 16+r.IntN(300))
			binary.BigEndian.PutUint32(body, uint32(i))
			k, e := said(c, name, body)
			c.put(&k, e)
			twin[name] = body
			continue
		}
		k := c.keyOf(filter.MustName(name), typeA, 0)
		if e, ok := c.get(nil, &k); ok {
			found++
			if !bytes.Equal(e.body(), twin[name]) {
				t.Fatalf("operation %d: %s has the body of another put", i, name)
			}
		}
	}
	entries, evicted := c.held()
	if found == 0 || evicted == 0 {
		t.Fatalf("found %d, evicted %d: the test shows nothing", found, evicted)
	}
	if entries*entryHead > cacheMin {
		t.Errorf("%d entries do not fit in %d bytes", entries, cacheMin)
	}
}

// TestCacheSurvivesFlood shows that names asked for once do not push out names
// that are asked for again.
func TestCacheSurvivesFlood(t *testing.T) {
	c := newCache(cacheMin)
	body := make([]byte, 60)
	popular := func(i int) string { return fmt.Sprintf("popular%d.example", i) }
	for round := range 3 {
		for i := range 200 {
			k, e := said(c, popular(i), body)
			if _, ok := c.get(nil, &k); !ok {
				if round == 2 {
					t.Fatalf("%s was not kept even without a flood", popular(i))
				}
				c.put(&k, e)
			}
		}
	}
	for i := range 100_000 {
		k, e := said(c, fmt.Sprintf("x%d.flood.example", i), body)
		c.put(&k, e)
	}
	kept := 0
	for i := range 200 {
		k := c.keyOf(filter.MustName(popular(i)), typeA, 0)
		if _, ok := c.get(nil, &k); ok {
			kept++
		}
	}
	if kept != 200 {
		t.Errorf("a flood of random names left %d of 200 popular ones", kept)
	}
}
