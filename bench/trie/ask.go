package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/AdguardTeam/urlfilter"
	"github.com/blevesearch/vellum"
	radix "github.com/hashicorp/go-immutable-radix/v2"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	asked  = 100_000 // questions of a kind in a round: more than caches hold
	rounds = 7       // the fastest counts: the machine is shared

	// One answer in so many may be wrong: urlfilter takes a few names, such as
	// numbers, for something else. The trie's answers are proven elsewhere.
	allowedWrong = 1000
)

// kinds are the kinds of questions, and whether each is a hit.
var kinds = [...]struct {
	name string
	hit  bool
}{{"hit", true}, {"deep_hit", true}, {"near_miss", false}, {"top_site_miss", false}}

// structure is something that holds names. Its questions are prepared
// beforehand in the form that it likes best.
type structure struct {
	name string
	heap float64 // bytes it takes
	ask  func(prepared any) bool
	form func(filter.Name) any
}

// ask measures every structure on the same questions, in turns.
func ask(args []string) error {
	names, err := namesIn(args[0])
	if err != nil {
		return err
	}
	questions, err := queries(names, asked)
	if err != nil {
		return err
	}
	structures, err := load(names, args[1])
	if err != nil {
		return err
	}
	best := map[string]float64{}
	for range rounds {
		for _, s := range structures {
			for _, kind := range kinds {
				ns, err := s.time(questions[kind.name], kind.hit)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, kind.name, err)
				}
				key := s.name + "_" + kind.name + "_ns"
				if old, there := best[key]; !there || ns < old {
					best[key] = ns
				}
			}
		}
	}
	for _, s := range structures {
		report(s.name+"_heap_bytes_per_name", s.heap/float64(len(names)))
		for _, kind := range kinds {
			key := s.name + "_" + kind.name + "_ns"
			report(key, best[key])
		}
	}
	trie := structures[0]
	report("trie_heap_bytes", trie.heap)
	report("miss_ratio_to_map", best["trie_top_site_miss_ns"]/best["map_top_site_miss_ns"])
	report("near_miss_ratio_to_map", best["trie_near_miss_ns"]/best["map_near_miss_ns"])
	report("hit_ratio_to_map_miss", best["trie_hit_ns"]/best["map_top_site_miss_ns"])
	for _, kind := range kinds {
		i, prepared := 0, trie.prepare(questions[kind.name][:1000])
		report("trie_"+kind.name+"_allocs", testing.AllocsPerRun(900, func() { trie.ask(prepared[i]); i++ }))
	}
	return nil
}

func (s structure) prepare(names []filter.Name) []any {
	prepared := make([]any, len(names))
	for i, n := range names {
		prepared[i] = s.form(n)
	}
	return prepared
}

// time is the nanoseconds of one question.
func (s structure) time(names []filter.Name, hit bool) (float64, error) {
	prepared := s.prepare(names)
	runtime.GC()
	var hits int
	var ns float64
	for range 2 { // the first time fills the caches that the collector has emptied
		hits = 0
		started := time.Now()
		for _, p := range prepared {
			if s.ask(p) {
				hits++
			}
		}
		ns = float64(time.Since(started).Nanoseconds()) / float64(len(names))
	}
	wrong := hits
	if hit {
		wrong = len(names) - hits
	}
	if wrong > len(names)/allowedWrong {
		return 0, fmt.Errorf("%d of %d answers are wrong", wrong, len(names))
	}
	return ns, nil
}

// load makes the structures, and measures the heap that each takes.
func load(names []filter.Name, snapshot string) ([]structure, error) {
	file, err := os.ReadFile(snapshot)
	if err != nil {
		return nil, err
	}
	asIs := func(n filter.Name) any { return n }
	var all []structure
	add := func(name string, form func(filter.Name) any, make func() (func(any) bool, error)) error {
		before := heap()
		ask, err := make()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, structure{name, float64(max(0, heap()-before)), ask, form})
		return nil
	}
	// The file is made before the heap is measured: its bytes are flat ones.
	err = add("trie", asIs, func() (func(any) bool, error) {
		trie, err := filter.OpenTrie(file)
		return func(q any) bool { return trie.Lookup(q.(filter.Name)).Set != 0 }, err
	})
	if err != nil {
		return nil, err
	}
	err = add("map", asIs, func() (func(any) bool, error) {
		m := make(map[string]struct{}, len(names))
		for _, n := range names {
			m[string(n)] = struct{}{}
		}
		return func(q any) bool { return walkMap(m, q.(filter.Name)) }, nil
	})
	if err != nil {
		return nil, err
	}
	reversed := func(n filter.Name) any { return reverse(n) }
	err = add("radix", reversed, func() (func(any) bool, error) {
		txn := radix.New[struct{}]().Txn()
		for _, n := range names {
			txn.Insert(reverse(n), struct{}{})
		}
		tree := txn.Commit()
		return func(q any) bool {
			_, _, found := tree.Root().LongestPrefix(q.([]byte)) // a name ends in a dot, so a prefix is a suffix of labels
			return found
		}, nil
	})
	if err != nil {
		return nil, err
	}
	err = add("vellum", reversed, func() (func(any) bool, error) { return newVellum(names) })
	if err != nil {
		return nil, err
	}
	if len(names) <= 100_000 { // it takes ten times as long as all others together
		err = add("urlfilter", func(n filter.Name) any { return strings.TrimSuffix(n.String(), ".") }, func() (func(any) bool, error) {
			return newURLFilter(names)
		})
	}
	return all, err
}

// reverse writes a name from the right, a dot after each label.
func reverse(n filter.Name) []byte {
	var at [filter.MaxLabels]uint8
	out := make([]byte, 0, len(n))
	for i := n.Offsets(&at) - 1; i >= 0; i-- {
		label := n[at[i]:]
		out = append(append(out, label[1:1+label[0]]...), '.')
	}
	return out
}

func newVellum(names []filter.Name) (func(any) bool, error) {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = string(reverse(n))
	}
	slices.Sort(keys)
	var file strings.Builder
	b, err := vellum.New(&file, nil)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err := b.Insert([]byte(k), 1); err != nil {
			return nil, err
		}
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	fst, err := vellum.Load([]byte(file.String()))
	if err != nil {
		return nil, err
	}
	return func(q any) bool {
		state := fst.Start()
		for _, c := range q.([]byte) {
			if state = fst.Accept(state, c); !fst.CanMatch(state) {
				return false
			}
			if c == '.' && fst.IsMatch(state) {
				return true
			}
		}
		return false
	}, nil
}

func newURLFilter(names []filter.Name) (func(any) bool, error) {
	var rules strings.Builder
	for _, n := range names {
		rules.WriteString("||" + strings.TrimSuffix(n.String(), ".") + "^\n")
	}
	storage, err := urlfilter.NewRuleStorage([]urlfilter.RuleList{&urlfilter.StringRuleList{ID: 1, RulesText: rules.String()}})
	if err != nil {
		return nil, err
	}
	engine := urlfilter.NewDNSEngine(storage)
	return func(q any) bool {
		_, found := engine.Match(q.(string))
		return found
	}, nil
}

// heap is the bytes of live objects.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
