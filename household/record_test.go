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

// TestDeviceSame: every field of a device counts. One that is added has to be
// compared, or a change of it would not be written.
func TestDeviceSame(t *testing.T) {
	var device Device
	for i := range reflect.TypeFor[Device]().NumField() {
		other := device
		field := reflect.ValueOf(&other).Elem().Field(i)
		switch value := field.Addr().Interface().(type) {
		case *time.Time:
			*value = monday
		case *Date:
			*value = Date{Year: 2026, Month: 11, Day: 23}
		default:
			switch field.Kind() {
			case reflect.String:
				field.SetString("x")
			case reflect.Slice:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			default:
				field.SetUint(7)
			}
		}
		if device.same(other) {
			t.Errorf("%s does not count", reflect.TypeFor[Device]().Field(i).Name)
		}
	}
	if !device.same(device.clone()) {
		t.Error("a copy is another")
	}
}
