package web

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// bandView is one age band in a few words.
type bandView struct{ title, text string }

// bands are the age bands of children in a few words each.
func (p *page) bands() []bandView {
	var all []bandView
	for _, b := range p.house.Bands().Bands {
		if b.Child() {
			all = append(all, bandView{p.Band(b.ID), p.T("band." + string(b.ID) + ".text")})
		}
	}
	return all
}

// setupView is the live test: three names judged as the resolver judges them.
type setupView struct {
	child   *household.Person
	proofs  []proof
	address string
	code    code
}

type proof struct {
	text  string
	right bool
}

func (s *Server) setupView(p *page) setupView {
	v := setupView{address: "http://" + DefaultName}
	v.code = drawCode(v.address)
	for _, person := range p.house.People { // the child added last
		if isChild(p.house, person) {
			v.child = &person
		}
	}
	if v.child == nil {
		return v
	}
	for _, t := range [...]struct {
		key, name string
		want      func(filter.Verdict) bool
	}{
		{"setup.test.adult", "adult.example", func(v filter.Verdict) bool { return v.Action == filter.Block }},
		{"setup.test.search", "www.google.com", func(v filter.Verdict) bool { return v.Action != filter.Pass }},
		{"setup.test.help", "www.childhelplineinternational.org", func(v filter.Verdict) bool { return v.Action == filter.Pass }},
	} {
		verdict, _ := s.home.Decide(v.child.ID, filter.MustName(t.name), p.now)
		v.proofs = append(v.proofs, proof{p.T(t.key), t.want(verdict)})
	}
	return v
}

// code is a QR code as the outline of its dark squares.
type code struct{ box, ground, path string }

// drawCode makes a QR code with the quiet border that scanners need.
func drawCode(text string) code {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		panic(err) // our own addresses are short
	}
	const border = 4 // modules, ISO/IEC 18004 §9.1
	n := c.Size + 2*border
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			width := 0
			for x+width < c.Size && c.Black(x+width, y) {
				width++
			}
			if width > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+border, y+border, width, width)
				x += width
			}
		}
	}
	return code{fmt.Sprintf("0 0 %d %d", n, n), fmt.Sprintf("M0 0h%dv%dh-%dz", n, n, n), b.String()}
}
