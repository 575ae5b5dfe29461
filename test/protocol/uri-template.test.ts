import { describe, expect, it } from 'vitest';
import { uriTemplate } from '../../src/protocol/uri-template.ts';

describe('uriTemplate', () => {
  it.each([
    ['test://template/{id}/data', 'test://template/123/data', { id: '123' }],
    ['a://{x}/{y}', 'a://1/2', { x: '1', y: '2' }],
    ['a://{x,y}', 'a://1,2', { x: '1', y: '2' }],
    ['a://{+path}', 'a://one/two/three', { path: 'one/two/three' }],
    ['a://list{?page,size}', 'a://list?page=2&size=10', { page: '2', size: '10' }],
    ['a://list{?page,size}', 'a://list?size=10', { size: '10' }],
    ['a://list{?page,size}', 'a://list', {}],
    ['a://doc{#section}', 'a://doc#two', { section: 'two' }],
    ['a://root{/dir}', 'a://root/etc', { dir: 'etc' }],
    ['a://file{.ext}', 'a://file.json', { ext: 'json' }],
    ['a://{name}', 'a://J%C3%B6rg%20%2F%20Anna', { name: 'Jörg / Anna' }],
    ['a://x.y+z({id})', 'a://x.y+z(7)', { id: '7' }],
  ])('%s reads %s', (template, uri, variables) => {
    expect(uriTemplate(template).match(uri)).toEqual(variables);
  });

  it.each([
    ['test://template/{id}/data', 'test://template/1/2/data'],
    ['test://template/{id}/data', 'test://template//data'],
    ['test://template/{id}', 'xtest://template/1'],
    ['test://template/{id}', 'test://template/1#x'],
    ['a://x.y/{id}', 'a://xzy/1'],
    ['a://{name}', 'a://%E0%A4%A'],
  ])('%s refuses %s', (template, uri) => {
    expect(uriTemplate(template).match(uri)).toBeUndefined();
  });

  it('names its variables in order', () => {
    expect(uriTemplate('a://{b}/{a}{?q}').variables).toEqual(['b', 'a', 'q']);
  });

  it.each(['a://{id', 'a://}', 'a://{}', 'a://{;x}', 'a://{x}/{x}', 'a://{x,}', 'a://{x:3}', 'a://{x*}'])(
    'refuses the template %s at start-up',
    template => {
      expect(() => uriTemplate(template)).toThrow(TypeError);
    },
  );
});
