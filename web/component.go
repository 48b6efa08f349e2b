package web

import (
	"context"
	"html"
	"io"

	"github.com/a-h/templ"
	templruntime "github.com/a-h/templ/runtime"
)

// The pages as templ writes them would take 0.4 MB more of a router's flash: it
// writes each of these out wherever it is needed. web/fold puts the calls in.

// component is a part of a page. write gets what stands between its tags in
// another one's text. A write that failed makes all after it fail, and is
// reported when the page is whole.
func component(write func(ctx context.Context, to *templruntime.Buffer, children templ.Component) error) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) (err error) {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, shared := templruntime.GetBuffer(w)
		if !shared {
			defer func() {
				if release := templruntime.ReleaseBuffer(to); err == nil {
					err = release
				}
			}()
		}
		ctx = templ.InitializeContext(ctx)
		children := templ.GetChildren(ctx)
		if children == nil {
			children = templ.NopComponent
		}
		return write(templ.ClearChildren(ctx), to, children)
	})
}

// writeText writes what stands in the template itself.
func writeText(to *templruntime.Buffer, markup string) { _, _ = to.WriteString(markup) }

// writeValue writes a text that may be anybody's, escaped.
func writeValue(to *templruntime.Buffer, text string) { _, _ = to.WriteString(html.EscapeString(text)) }

// writeURL writes an address, made harmless unless it is known to be safe, and
// escaped.
func writeURL[T ~string](to *templruntime.Buffer, address T) {
	safe, _ := templ.JoinURLErrs(address)
	writeValue(to, string(safe))
}
