import type { DatamodelField } from '../../src/models/datamodel/datamodel.ts';

/** A required column without a default, in the form of the generated datamodel. */
export function scalarField(name: string, type: string, more: Partial<DatamodelField> = {}): DatamodelField {
  return {
    name,
    kind: 'scalar',
    type,
    isList: false,
    isRequired: true,
    hasDefaultValue: false,
    isId: false,
    isUnique: false,
    isUpdatedAt: false,
    isReadOnly: false,
    ...more,
  };
}
