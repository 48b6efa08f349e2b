'use strict';
/*
 * A stand-in for LuCI's client: as much of view, form, rpc and poll as one page
 * needs to be drawn. Names and shapes are those of luci-base; a method that is not
 * here fails loudly, and that is what the test is for.
 */
String.prototype.format = function(...args) {
	return this.replace(/%[sd]/g, () => String(args.shift()));
};

const _ = text => window.translations[text] ?? text;

/* E('p', { 'class': 'x' }, [ 'text', node ]) */
function E(tag, attributes, children) {
	const node = document.createElement(tag);
	for (const [ name, value ] of Object.entries(attributes ?? {}))
		node.setAttribute(name, value);
	node.append(...[ children ?? [] ].flat());
	return node;
}

const rpc = {
	declare: call => () => Promise.resolve(window.ubus[call.object][call.method])
};

const poll = { add: (fn, seconds) => { window.polled = { fn, seconds }; } };

const view = { extend: methods => methods };

const uci = (section, option) => window.uci[section]?.[option];

class Option {
	constructor(section, name, title, description) {
		Object.assign(this, { section, name, title, description, choices: [], conditions: [], enabled: '1', disabled: '0' });
	}
	value(key, label) { this.choices.push([ key, label ?? key ]); }
	depends(name, value) { this.conditions.push([ name, value ]); }
	get current() { return uci(this.section.id, this.name) ?? this.default; }
	get shown() {
		return this.conditions.every(([ name, value ]) =>
			this.section.options.find(o => o.name === name).current === value);
	}
	render() {
		const id = 'cbid.treehouse.%s.%s'.format(this.section.id, this.name);
		return E('div', { 'class': 'cbi-value', 'data-name': this.name }, [
			E('label', { 'class': 'cbi-value-title', 'for': id }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [
				this.widget(id),
				...(this.description ? [ E('div', { 'class': 'cbi-value-description' }, [ this.description ]) ] : [])
			])
		]);
	}
}

class Flag extends Option {
	widget(id) {
		return E('input', { id, 'type': 'checkbox', ...(this.current === this.enabled ? { 'checked': '' } : {}) });
	}
}

class Value extends Option {
	widget(id) { return E('input', { id, 'type': 'text', 'value': this.current ?? '', 'data-type': this.datatype ?? '' }); }
}

class ListValue extends Option {
	widget(id) {
		return E('select', { id }, this.choices.map(([ key, label ]) =>
			E('option', { 'value': key, ...(key === this.current ? { 'selected': '' } : {}) }, [ label ])));
	}
}

class DynamicList extends Option {
	widget(id) {
		return E('div', { id, 'class': 'cbi-dynlist' }, [ this.current ?? [] ].flat().map(v => E('div', { 'class': 'item' }, [ v ])));
	}
}

class NamedSection {
	constructor(map, id, type, title) { Object.assign(this, { map, id, type, title, options: [] }); }
	option(Kind, ...args) {
		const option = new Kind(this, ...args);
		this.options.push(option);
		return option;
	}
	render() {
		return E('fieldset', { 'class': 'cbi-section' }, [
			E('legend', {}, [ this.title ]), ...this.options.filter(o => o.shown).map(o => o.render())
		]);
	}
}

class FormMap {
	constructor(config, title, description) { Object.assign(this, { config, title, description, sections: [] }); }
	section(Kind, ...args) {
		const section = new Kind(this, ...args);
		this.sections.push(section);
		return section;
	}
	render() {
		return Promise.resolve(E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, [ this.title ]), E('div', { 'class': 'cbi-map-descr' }, [ this.description ]),
			...this.sections.map(s => s.render())
		]));
	}
}

const form = { Map: FormMap, NamedSection, Flag, Value, ListValue, DynamicList };

/* A view's source is the body of a function; 'require x' makes x a parameter. */
async function show(source) {
	const modules = { view, form, rpc, poll };
	const names = [ ...source.matchAll(/^'require (\w+)';/gm) ].map(m => m[1]);
	try {
		const page = new Function(...names, 'E', '_', source)(...names.map(n => modules[n]), E, _);
		document.getElementById('view').replaceChildren(await page.render(await page.load()));
		await window.polled.fn(); /* five seconds later */
		document.body.dataset.state = 'shown';
	} catch (error) {
		document.body.dataset.state = 'failed: ' + error;
	}
}
