package household

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// FuzzPerson: whatever a file or a backup says of a person is refused, or
// compiles and decides.
func FuzzPerson(f *testing.F) {
	f.Add([]byte(`{"id":1,"name":"Ana","born":"2017-03","band":"6-9","switch":{"tiktok":true,"group:social":false},` +
		`"names":[{"name":"a.example","allow":true,"from":"2026-11-23T12:00:00Z","until":"2026-11-23T13:00:00Z"}],` +
		`"nights":[{"days":"school","from":"20:00","to":"06:30"},{"days":"free","from":"22:00","to":"24:00"}],` +
		`"homework":[{"days":"school","from":"15:00","to":"16:00"}],"exceptions":[{"of":"night","from":"2026-11-23T12:00:00Z","until":"2026-11-24T12:00:00Z"}],` +
		`"paused":{"from":"2026-11-23T12:00:00Z"},"tickets":[{"minutes":30,"of":"night"}],"unknown":"ask"}`))
	f.Add([]byte(`{"id":1,"name":"\u202e\u0000","band":"0-5","nights":[],"search":"x","youtube":"y","exceptions":[{"of":"","until":"0001-01-01T00:00:00Z"}]}`))
	bands, trie := DefaultBands(), compiled(f)
	name := filter.MustName("www.tiktok.com")
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Person
		if json.Unmarshal(text, &p) != nil {
			return
		}
		h := New(bands, time.UTC)
		h.People = []Person{p}
		if h.check() != nil {
			return
		}
		snap := filter.NewSnapshot(trie, nil, h.Policies())
		v := snap.DecideAt(filter.Client{Policy: p.ID}, name, monday)
		if !v.Until.IsZero() && !v.Until.After(monday) {
			t.Errorf("it changes at %s, which is over", v.Until)
		}
		h.State(p.ID, monday)
		h.Lines(p.ID)
		h.clone().Tidy(monday)
		if _, _, err := h.records(nil, maphash.MakeSeed()); err != nil {
			t.Errorf("it cannot be written: %v", err)
		}
	})
}

// TestCloneSharesNothing: a change is made to copies of what readers have, so a
// field that holds something else has to be copied with it.
func TestCloneSharesNothing(t *testing.T) {
	sharesNothing[Person](t)
	sharesNothing[Device](t)
	sharesNothing[Request](t)
}

func sharesNothing[T item[T]](t *testing.T) {
	var original T
	fields := reflect.ValueOf(&original).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Map:
			field.Set(reflect.MakeMap(field.Type()))
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		}
	}
	copied := reflect.ValueOf(original.clone())
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Slice, reflect.Map, reflect.Pointer:
			if field.Pointer() == copied.Field(i).Pointer() {
				t.Errorf("%s.%s is shared with its copy", fields.Type().Name(), fields.Type().Field(i).Name)
			}
		}
	}
}
