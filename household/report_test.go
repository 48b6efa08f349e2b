package household

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestReportsAreFewAndKept: a report outlives a restart, the same one is there
// once, the oldest goes, and after its time all do.
func TestReportsAreFewAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "household.db")
	f := openFamily(t, path)
	must(t, f.Change(twoPeople))
	report := func(r Report) error {
		return f.Change(func(h *Household) error { _, err := h.Report(r, monday); return err })
	}
	if report(Report{Site: "not a site"}) == nil || report(Report{Site: "192.0.2.1"}) == nil {
		t.Error("a report is about something that is no site")
	}
	for i := range MaxReports + 5 {
		must(t, report(Report{Site: fmt.Sprintf("https://n%d.example/page", i), Lists: make([]string, 99)}))
	}
	must(t, report(Report{Site: "n10.example", Topic: "adult", Lists: []string{"a"}}))
	must(t, report(Report{Site: "n10.example", Missed: true}))
	got := openFamily(t, path).Household().Reports
	if len(got) != MaxReports || got[0].Site != "n6.example" || len(got[0].Lists) != maxReportLists {
		t.Errorf("%d are kept, the first about %s with %d lists", len(got), got[0].Site, len(got[0].Lists))
	}
	last := got[len(got)-2:]
	if last[0].Site != "n10.example" || last[0].Topic != "adult" || last[0].Missed || !last[1].Missed || last[0].ID == last[1].ID {
		t.Errorf("the last two are %+v", last)
	}
	must(t, f.Change(func(h *Household) error { h.ForgetReport(last[0].ID); return nil }))
	if n := len(f.Household().Reports); n != MaxReports-1 {
		t.Errorf("%d are left", n)
	}
	must(t, f.Change(func(h *Household) error { h.Tidy(monday.Add(reportLife + 1)); return nil }))
	if n := len(f.Household().Reports); n != 0 {
		t.Errorf("%d are left after their time", n)
	}
}
