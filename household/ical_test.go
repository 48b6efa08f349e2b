package household

import (
	"fmt"
	"strings"
	"testing"
)

const calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" +
	"BEGIN:VEVENT\r\nSUMMARY:Weihnachts\r\n ferien\\, lang\r\nDTSTART;VALUE=DATE:20261221\r\nDTEND;VALUE=DATE:20270107\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270208\r\nSUMMARY:one day\u202e\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART:20270329T000000\r\nDTEND:20270410T000000\r\nSUMMARY:Easter\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART:20260101\r\nSUMMARY:over\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART:20270101\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:repeats\r\nEND:VEVENT\r\n" +
	"END:VCALENDAR\r\n"

func TestReadHolidays(t *testing.T) {
	holidays, err := ReadHolidays(strings.NewReader(calendar), Date{2026, 11, 23})
	must(t, err)
	want := "[{Weihnachtsferien, lang 2026-12-21 2027-01-06} {one day 2027-02-08 2027-02-08} {Easter 2027-03-29 2027-04-09}]"
	if got := fmt.Sprint(holidays); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h := New(DefaultBands(), nil)
	must(t, h.SetHolidays(holidays))
	for bad, want := range map[string]string{
		"<html>": "no calendar",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:Christmas\nEND:VEVENT\n":                "not a date",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nDTEND:20270101\nEND:VEVENT\n": "no holiday",
		"BEGIN:VCALENDAR\n" + strings.Repeat("x", maxCalendarLine+1):                    "after line 1",
		"": "no calendar",
	} {
		if _, err := ReadHolidays(strings.NewReader(bad), Date{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", bad, err, want)
		}
	}
}

func FuzzReadHolidays(f *testing.F) {
	f.Add(calendar)
	f.Add("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:00000101T\nDTEND:99991231T\nEND:VEVENT")
	f.Fuzz(func(t *testing.T, text string) {
		holidays, err := ReadHolidays(strings.NewReader(text), Date{2026, 1, 1})
		if err != nil {
			return
		}
		if len(holidays) > maxEvents {
			t.Errorf("%d holidays", len(holidays))
		}
		for _, h := range holidays {
			if h.Last.Before(h.First) || h.Name != CleanName(h.Name) {
				t.Errorf("%+v", h)
			}
		}
	})
}
