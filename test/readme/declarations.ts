import ts from 'typescript';
import { root } from './readme.ts';

/** A member of an options type. */
export interface Member {
  readonly name: string;
  readonly isRequired: boolean;
  /** Its docstring, tags left out. */
  readonly doc: string;
  /** What its tag `@default` says. */
  readonly default: string | undefined;
}

/** The members of an interface or type alias, in their order; of an intersection or union, those of all its parts. */
export function membersOf(file: string, name: string): Map<string, Member> {
  const source = ts.createSourceFile(file, ts.sys.readFile(root + file) ?? '', ts.ScriptTarget.Latest, true);
  const members = new Map<string, Member>();
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node)) {
      for (const member of node.members) add(members, member);
    } else if (ts.isTypeReferenceNode(node)) {
      const alias = find(source, node.typeName.getText());
      if (alias !== undefined) visit(alias);
    } else if (ts.isTypeAliasDeclaration(node)) visit(node.type);
    else if (ts.isIntersectionTypeNode(node) || ts.isUnionTypeNode(node)) node.types.forEach(visit);
  };
  const declaration = find(source, name);
  if (declaration === undefined) throw new Error(`${file} has no type ${name}`);
  visit(declaration);
  return members;
}

function find(source: ts.SourceFile, name: string): ts.Node | undefined {
  return source.statements.find(node => (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) && node.name.text === name);
}

function add(members: Map<string, Member>, member: ts.TypeElement): void {
  const name = member.name?.getText();
  if (name === undefined) return;
  const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
  members.set(name, {
    name,
    isRequired: member.questionToken === undefined,
    doc: ts
      .getJSDocCommentsAndTags(member)
      .map(node => ts.getTextOfJSDocComment(node.comment) ?? '')
      .join('\n')
      .trim(),
    default: tag && ts.getTextOfJSDocComment(tag.comment),
  });
}
