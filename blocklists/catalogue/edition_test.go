package catalogue

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// anything finds nothing wrong with a name.
func anything(filter.Name) string { return "" }

// TestExportedIsSound: what is built in passes as an edition, whole or edited.
func TestExportedIsSound(t *testing.T) {
	builtIn := BuiltIn()
	e, err := New(About{Title: "a copy"}, builtIn.Files(), builtIn)
	if err == nil {
		err = e.Check(anything)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Topics(), builtIn.Topics()) {
		t.Error("a copy has other topics")
	}
	names := func(e *Edition) map[string]bool {
		m := map[string]bool{}
		e.Claims(func(c Claim) bool { m[fmt.Sprint(c.Topic, c.Name, c.Mode)] = true; return true })
		return m
	}
	if a, b := names(e), names(builtIn); len(a) != len(b) {
		t.Errorf("a copy has %d names, the original %d", len(a), len(b))
	}
	// And so does what Extract has written.
	again, err := New(About{Title: "extracted"}, []File{{"all.txt", builtIn.Extract(func(filter.Topic) bool { return true })}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Topics(), builtIn.Topics()) {
		t.Error("what was extracted has other topics")
	}
}

// TestApartAgreesWithTheFilter holds checkApart to what the filter itself does
// with random services: turning one off leaves the others' names working.
func TestApartAgreesWithTheFilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sound := 0
	for range 3000 {
		var text strings.Builder
		text.WriteString("@kind service\n@group g\n")
		for _, id := range []string{"one", "two", "three"} {
			fmt.Fprintf(&text, "%s = %s\n", id, id)
			seen := map[string]bool{}
			for range 1 + random.IntN(2) {
				name := "x.example"
				for range random.IntN(3) {
					name = string("ab"[random.IntN(2)]) + "." + name
				}
				if !seen[name] {
					seen[name] = true
					fmt.Fprintf(&text, "  %s%s\n", []string{"", "", "=", "!"}[random.IntN(4)], name)
				}
			}
		}
		e, err := New(About{Title: "random"}, []File{{"r.txt", text.String()}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		apart := e.checkApart()
		if got := standsAlone(t, e); got != (apart == nil) {
			t.Fatalf("%s\nthe filter says %v, the check %v", &text, got, apart)
		}
		if apart == nil {
			sound++
		}
	}
	if sound < 100 || sound > 2900 {
		t.Errorf("%d of 3000 are sound: the test tests little", sound)
	}
}

// standsAlone asks the filter whether every name of every service passes with
// each other one off.
func standsAlone(t *testing.T, e *Edition) bool {
	topics := e.Topics()
	place := map[string]filter.TopicID{}
	policies := make([]filter.Policy, len(topics))
	for i, topic := range topics {
		place[topic.ID] = filter.TopicID(i)
		policies[i] = filter.Policy{ID: filter.PolicyID(i), Topics: []filter.TopicRule{{Topic: topic.ID}}}
	}
	var all []filter.Entry
	e.Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		all = append(all, filter.Entry{Name: name, Topic: place[id], Mode: mode})
		return true
	})
	slices.SortStableFunc(all, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var out bytes.Buffer
	if _, err := filter.BuildTrie(&out, topics, func(yield func(filter.Entry) bool) error {
		for _, e := range all {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	trie, err := filter.OpenTrie(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	snap := filter.NewSnapshot(trie, nil, policies)
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, entry := range all {
		for i := range topics {
			if entry.Mode == filter.Except || entry.Topic == filter.TopicID(i) {
				continue
			}
			if snap.Decide(filter.Client{Policy: filter.PolicyID(i)}, entry.Name, noon).Action == filter.Block {
				return false
			}
		}
	}
	return true
}

// FuzzText holds that whatever a file says, it is refused with a sentence or can
// be compiled, and that what is built in to protect stays.
func FuzzText(f *testing.F) {
	f.Add("@kind service\n@group g\na = A\n  a.example =b.example !c.a.example\n  v2fly: x\n")
	f.Add("@kind safe search\ns = S\n  target: t.example\n  =s.example\n@kind lifeline\nhelp = H\n  h.example\nhelp\n  i.example\n")
	f.Add("@kind category\nadult = A\n\ta.example # comment\n@kind protected\np = P\n  p.example\n")
	f.Add("x\n @\n@kind\n@group\n = \n  : \n")
	small, err := New(About{Title: "small"}, []File{{"s.txt", "@kind lifeline\nhelp = Help\n  h.example\n@kind protected\nnews = News\n  n.example\n@kind category\nadult = Adult\n@kind service\n@group g\nb = B\n  b.example\n"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string) {
		e, err := New(About{Title: "fuzz"}, []File{{"f.txt", content}}, small)
		if err == nil {
			err = e.CheckNames()
		}
		if err == nil {
			err = e.Check(func(n filter.Name) string {
				if n.Labels() < 2 {
					return "a single label"
				}
				return ""
			})
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "catalogue: ") {
				t.Error(err)
			}
			return
		}
		kinds := map[string]filter.Kind{}
		for _, topic := range e.Topics() {
			if _, twice := kinds[topic.ID]; twice {
				t.Error(topic.ID, " stands twice")
			}
			kinds[topic.ID] = topic.Kind
		}
		protects, helps := false, false
		e.Claims(func(c Claim) bool {
			protects = protects || c.Topic == "" && text(c.Name) == "n.example"
			helps = helps || c.Topic == "help" && c.Mode == filter.Suffix && text(c.Name) == "h.example"
			return true
		})
		if !protects || !helps || kinds["help"] != filter.KindLifeline || kinds["b"] == 0 {
			t.Errorf("%q takes away what is built in", content)
		}
		standsAlone(t, e) // it can be compiled
	})
}
