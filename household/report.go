package household

import (
	"slices"
	"time"
)

// ReportID names a report for good.
type ReportID uint32

const (
	// MaxReports are kept; the oldest goes first. They are letters to be sent,
	// no archive.
	MaxReports = 12
	// maxReportLists is how many lists one report may be about.
	maxReportLists = 8
	// reportLife is how long a report waits to be sent: a list has changed by then.
	reportLife = 90 * 24 * time.Hour
)

// Report is a parent's word that lists are wrong about a site. It is kept here
// and sent by nobody but the parent. It says nothing of any child or device.
type Report struct {
	ID     ReportID  `json:"id"`
	Site   string    `json:"site"`
	Missed bool      `json:"missed,omitempty"` // the lists should have it; else they should not
	Topic  string    `json:"topic,omitempty"`  // a topic's ID
	Lists  []string  `json:"lists,omitempty"`  // sources' IDs; "" is the built-in catalogue
	At     time.Time `json:"at"`
}

// Report keeps a report. The same one again replaces the one before.
func (h *Household) Report(r Report, now time.Time) (*Report, error) {
	site, err := Site(r.Site)
	if err != nil {
		return nil, err
	}
	r.Site, r.At = site, now
	if len(r.Topic) > maxSubject {
		r.Topic = ""
	}
	r.Lists = r.Lists[:min(len(r.Lists), maxReportLists)]
	h.Reports = slices.DeleteFunc(h.Reports, func(o Report) bool { return o.Site == r.Site && o.Missed == r.Missed })
	h.Reports = h.Reports[max(0, len(h.Reports)+1-MaxReports):]
	h.Settings.LastReport++
	r.ID = h.Settings.LastReport
	h.Reports = append(h.Reports, r)
	return &h.Reports[len(h.Reports)-1], nil
}

// ForgetReport takes a report away.
func (h *Household) ForgetReport(id ReportID) {
	h.Reports = slices.DeleteFunc(h.Reports, func(r Report) bool { return r.ID == id })
}
