// Package cast stands in for the real one in a router's binary. viper converts
// flags and defaults of every type with it, and links all of it; ours are texts
// and lists of texts, which the program reads itself. What is left is the form of
// a part of the configuration. The rest says which flag has made it needed.
package cast

import (
	"fmt"
	"time"
)

// ToStringMap is a part of the configuration by its keys.
func ToStringMap(v any) map[string]any {
	switch m := v.(type) {
	case map[string]any:
		return m
	case map[any]any:
		named := make(map[string]any, len(m))
		for key, value := range m {
			named[fmt.Sprint(key)] = value
		}
		return named
	}
	return map[string]any{}
}

// leftOut ends the program at its start: a value of the wrong type would be worse.
func leftOut(v any) {
	panic(fmt.Sprintf("this build takes only texts as flags and defaults, not %v; see deploy/small/cast", v))
}

func ToString(v any) (r string)                            { leftOut(v); return }
func ToBool(v any) (r bool)                                { leftOut(v); return }
func ToInt(v any) (r int)                                  { leftOut(v); return }
func ToInt32(v any) (r int32)                              { leftOut(v); return }
func ToInt64(v any) (r int64)                              { leftOut(v); return }
func ToUint(v any) (r uint)                                { leftOut(v); return }
func ToUint8(v any) (r uint8)                              { leftOut(v); return }
func ToUint16(v any) (r uint16)                            { leftOut(v); return }
func ToUint32(v any) (r uint32)                            { leftOut(v); return }
func ToUint64(v any) (r uint64)                            { leftOut(v); return }
func ToFloat64(v any) (r float64)                          { leftOut(v); return }
func ToTime(v any) (r time.Time)                           { leftOut(v); return }
func ToDuration(v any) (r time.Duration)                   { leftOut(v); return }
func ToStringSlice(v any) (r []string)                     { leftOut(v); return }
func ToBoolSlice(v any) (r []bool)                         { leftOut(v); return }
func ToIntSlice(v any) (r []int)                           { leftOut(v); return }
func ToUintSlice(v any) (r []uint)                         { leftOut(v); return }
func ToFloat64Slice(v any) (r []float64)                   { leftOut(v); return }
func ToDurationSlice(v any) (r []time.Duration)            { leftOut(v); return }
func ToStringMapString(v any) (r map[string]string)        { leftOut(v); return }
func ToStringMapStringSlice(v any) (r map[string][]string) { leftOut(v); return }
